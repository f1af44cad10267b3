"""Quality against time of the built-in model: steps, samplers, resting deep layers, guidance at some steps only.

    python scripts/measure_shortcuts.py [--seconds 2]    prints the table of docs/performance.md

Everything runs in the real host. PSNR, dB, is to the 50-step video of the same seed; lip r is the correlation
of the mouth that the instrument sees with the mouth of that video, and with the loudness of the sound.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from in_process import PACK, import_comfy, import_pack

HEAD = ("sampler", "scheduler", "steps", "deep_every", "guided_share", "CPU s", "PSNR", "r to 50 steps", "r to sound")
LONGEST = ("euler", "simple", 50, 1, 1.0)
SETTINGS = (
    LONGEST,
    ("euler", "simple", 25, 1, 1.0),
    ("euler", "simple", 10, 1, 1.0),
    ("euler", "simple", 5, 1, 1.0),
    ("dpmpp_2m", "simple", 10, 1, 1.0),
    ("dpmpp_2m", "simple", 5, 1, 1.0),
    ("uni_pc", "simple", 10, 1, 1.0),
    ("uni_pc", "simple", 5, 1, 1.0),
    ("euler", "simple", 25, 2, 1.0),
    ("euler", "simple", 25, 5, 1.0),
    ("euler", "simple", 10, 2, 1.0),
    ("euler", "simple", 10, 3, 1.0),
    ("euler", "simple", 10, 1, 0.5),
    ("euler", "simple", 10, 1, 0.25),
    ("euler", "simple", 10, 2, 0.5),
    ("dpmpp_2m", "simple", 10, 2, 0.5),
)
"""Sampler, scheduler, steps, deep_every, guided_share."""


class Bench:
    """The built-in model in the host, one portrait and one sound."""

    def __init__(self, seconds: float) -> None:
        import_comfy(PACK / ".cache" / "comfyui")
        self.pack = import_pack().__name__
        checkpoint = self.ours("emo_core.checkpoints.load").open_checkpoint(self.ours("emo_core.animate").BUILT_IN)
        self.model, encoders, audio, self.vae = self.ours("nodes.host.loading").load_networks(checkpoint, "default")
        self.preset = checkpoint.config.preset
        encoders = self.ours("nodes.types").EncodersValue(checkpoint.config, encoders, audio)
        values, media = self.ours("nodes.values"), self.ours("emo_core.media.video")
        assets = PACK / "emo_core" / "assets"
        whole = media.read_sound(assets / "sample_speech.wav")
        self.sound = media.Sound(whole.samples[:, : round(seconds * whole.rate)], whole.rate)
        portrait = self.ours("emo_core.cli.generate").read_square(assets / "portrait_avatar.png", self.preset.size)
        reference = values.reference_of(encoders, self.vae, portrait[None])
        heard = values.audio_of(encoders, self.sound, self.sound, self.preset.fps)
        region = values.region_of(encoders, None, self.preset.size, 0.05)
        speed = values.speed_of(encoders, 0.5, 1, self.preset.fps, "")
        *self.conds, self.latent = values.conditionings(reference, heard, region, speed)

    def ours(self, name: str) -> Any:
        """One of the pack's modules."""
        return importlib.import_module(f"{self.pack}.{name}")

    def video(self, sampler: str, scheduler: str, steps: int, deep: int, share: float) -> tuple[np.ndarray, float]:
        """Frames uint8 [F, H, W, 3] and the CPU seconds of sampling."""
        shortcuts = self.ours("emo_core.diffusion.shortcuts").Shortcuts(deep, share)
        model = self.ours("nodes.host.shortcuts").with_shortcuts(self.model, shortcuts)
        host = self.ours("nodes.host.sampling")
        guider = host.make_guider(model, *self.conds, self.preset.guidance, self.preset.audio_guidance)
        steps_of = host.make_steps(model, sampler, scheduler, steps, 1.0)
        before = time.process_time()
        made = host.sample_clips(guider, host.SeededNoise(0), *steps_of, self.latent, 0, None)["samples"]
        took = time.process_time() - before
        return (self.vae.decode(made).clamp(0, 1) * 255).round().to(torch.uint8).numpy(), took


def main() -> None:
    """Print one row per setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="of the sample speech")
    args = parser.parse_args()
    with torch.inference_mode():
        bench = Bench(args.seconds)
        metrics, claims = bench.ours("emo_core.evaluation.metrics"), bench.ours("emo_core.claims.hearing")
        instrument = bench.ours("emo_core.evaluation.instrument").Instrument.open()
        print("|", " | ".join(HEAD), "|")
        print("|", " | ".join("---" for _ in HEAD), "|")
        best = mouth = loud = np.zeros(0)
        for setting in SETTINGS:
            frames, took = bench.video(*setting)
            seen = instrument.measure(frames).track("open")
            if setting == LONGEST:
                best, mouth = frames, seen
                wave = bench.sound.mono(bench.ours("emo_core.training.synthetic.espeak").SAMPLE_RATE).numpy()
                loud = claims.puppet(wave, len(frames), bench.preset.fps, 0.5, 1.0)
            psnr = "-" if setting == LONGEST else f"{metrics.psnr(frames, best):.1f}"
            rs = (f"{metrics.pearson(seen, curve):.3f}" for curve in (mouth, loud))
            print("|", " | ".join([*map(str, setting), f"{took:.1f}", psnr, *rs]), "|", flush=True)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    main()
