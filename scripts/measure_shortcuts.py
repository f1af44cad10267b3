"""Quality against time of the built-in model: steps, samplers, resting deep layers, guidance at some steps only.

    python scripts/measure_shortcuts.py [--clips 4] [--seconds 2]    prints the table of docs/performance.md

Everything runs in the real host, on rendered clips of the validation split. "r to truth" is the median over clips of
the correlation of the mouth that the instrument sees with the true one, "r to 50 steps" that with the mouth of the
50-step video of the same seed; PSNR, dB, is to that video. CPU seconds are of sampling, summed over clips.
"""

import argparse
import importlib
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from in_process import PACK, import_comfy, import_pack

HEAD = ("sampler", "scheduler", "steps", "deep_every", "guided_share", "CPU s", "PSNR", "r to 50 steps", "r to truth")
LONGEST = ("euler", "simple", 50, 1, 1.0)
SETTINGS = (
    LONGEST,
    ("euler", "simple", 25, 1, 1.0),
    ("euler", "simple", 10, 1, 1.0),
    ("euler", "simple", 5, 1, 1.0),
    ("euler", "simple", 3, 1, 1.0),
    ("euler", "simple", 2, 1, 1.0),
    ("euler", "simple", 1, 1, 1.0),
    ("dpmpp_2m", "simple", 5, 1, 1.0),
    ("dpmpp_2m", "simple", 3, 1, 1.0),
    ("uni_pc", "simple", 5, 1, 1.0),
    ("euler", "simple", 25, 2, 1.0),
    ("euler", "simple", 25, 5, 1.0),
    ("euler", "simple", 10, 2, 1.0),
    ("euler", "simple", 3, 2, 1.0),
)
"""Sampler, scheduler, steps, deep_every, guided_share; the last matters for models with guidance, which ours is not."""


class Bench:
    """The built-in model in the host and the held-out clips it makes again."""

    def __init__(self, clips: int, seconds: float, data: Path) -> None:
        import_comfy(PACK / ".cache" / "comfyui")
        self.pack = import_pack().__name__
        checkpoint = self.ours("emo_core.checkpoints.load").open_checkpoint(self.ours("emo_core.animate").BUILT_IN)
        loading = self.ours("nodes.host.loading")
        self.model, encoders, audio, self.vae = loading.load_networks(checkpoint, "default")
        self.preset = checkpoint.config.preset
        self.encoders = self.ours("nodes.types").EncodersValue(
            checkpoint.config, encoders, audio, head_finder=loading.load_head_finder(checkpoint)
        )
        self.clips = self.ours("emo_core.claims.builtin").held_out_clips(data, "validation", clips)
        self.conditions = [self._conditions(clip, seconds) for clip in range(clips)]

    def ours(self, name: str) -> Any:
        """One of the pack's modules."""
        return importlib.import_module(f"{self.pack}.{name}")

    def _conditions(self, clip: int, seconds: float) -> tuple[list[Any], dict[str, Any]]:
        """Conditionings and empty latent of the beginning of a clip, portrait and region as in `claims.takes`."""
        rest = self.ours("emo_core.training.synthetic.rest").at_rest(self.clips.tracks(clip))[0]
        values, takes = self.ours("nodes.values"), self.ours("emo_core.claims.takes")
        waveform, rate = self.clips.waveform(clip)
        samples = torch.from_numpy(waveform)[None, : round(seconds * rate)]
        sound = self.ours("emo_core.media.video").Sound(samples, rate)
        portrait = torch.from_numpy(np.array(self.clips.frames(clip)[rest])).float() / 255
        box = self.ours("emo_core.evaluation.metrics").union_box(self.clips.boxes(clip))
        mask = takes.region_mask(box, self.preset.size)[None]
        *conds, latent = values.conditionings(
            values.reference_of(self.encoders, self.vae, portrait[None]),
            values.audio_of(self.encoders, sound, sound, self.preset.fps),
            values.region_of(self.encoders, mask, self.preset.size, takes.MARGIN),
            values.speed_of(self.encoders, float(self.clips.speed(clip).mean()), 1, self.preset.fps, ""),
        )
        return conds, latent

    def video(
        self, clip: int, sampler: str, scheduler: str, steps: int, deep: int, share: float
    ) -> tuple[np.ndarray, float]:
        """Frames uint8 [F, H, W, 3] and the CPU seconds of sampling."""
        conds, latent = self.conditions[clip]
        shortcuts = self.ours("emo_core.diffusion.shortcuts").Shortcuts(deep, share)
        model = self.ours("nodes.host.shortcuts").with_shortcuts(self.model, shortcuts)
        host = self.ours("nodes.host.sampling")
        guider = host.make_guider(model, *conds, self.preset.guidance, self.preset.audio_guidance)
        steps_of = host.make_steps(model, sampler, scheduler, steps, 1.0)
        before = time.process_time()
        made = host.sample_clips(guider, host.SeededNoise(clip), *steps_of, latent, 0, None)["samples"]
        took = time.process_time() - before
        return (self.vae.decode(made).clamp(0, 1) * 255).round().to(torch.uint8).numpy(), took


def main() -> None:
    """Print one row per setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=4, help="held-out clips")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each clip")
    parser.add_argument("--data", type=Path, default=Path("runs/eval"), help="where clips are kept")
    args = parser.parse_args()
    with torch.inference_mode():
        bench = Bench(args.clips, args.seconds, args.data)
        metrics = bench.ours("emo_core.evaluation.metrics")
        opened = bench.ours("emo_core.training.synthetic.types").TRACKS.index("open")
        instrument = bench.ours("emo_core.evaluation.instrument").Instrument.open()
        print("|", " | ".join(HEAD), "|")
        print("|", " | ".join("---" for _ in HEAD), "|")
        best: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for setting in SETTINGS:
            took, rows = 0.0, []
            for clip in range(args.clips):
                frames, seconds = bench.video(clip, *setting)
                mouth = instrument.measure(frames).track("open")
                best.setdefault(clip, (frames, mouth))
                truth = np.array(bench.clips.tracks(clip))[: len(mouth), opened]
                long_frames, long_mouth = best[clip]
                took += seconds
                rows.append((metrics.psnr(frames, long_frames), metrics.pearson(mouth, long_mouth),
                             metrics.pearson(mouth, truth)))  # fmt: skip
            psnr, to_best, to_truth = (statistics.median(column) for column in zip(*rows, strict=True))
            shown = "-" if setting == LONGEST else f"{psnr:.1f}"
            print("|", " | ".join([*map(str, setting), f"{took:.1f}", shown, f"{to_best:.3f}", f"{to_truth:.3f}"]), "|",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    main()
