"""Clips as the stages need them: latents, audio states per frame, boxes and speeds, encoded once and kept on disk."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..audio.features import StateTimes, resample_states
from ..audio.mel_conv import MelConvEncoder, normalise
from ..models.vae import AutoencoderKL
from .synthetic.clip_shards import ClipShards

LOG = logging.getLogger(__name__)
ARRAYS = ("latents", "portraits", "states", "boxes", "portrait_boxes", "speed", "tracks", "landmarks")


@torch.inference_mode()
def encode_clips(shards: ClipShards, vae: AutoencoderKL, audio: MelConvEncoder, out: Path, part: slice) -> None:
    """Encode the clips of a part, 32 to a folder `out/part-NNNNN`; what is there is kept."""
    out.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(shards), 32)[part]:
        final = out / f"part-{first:06d}"
        if final.exists():
            continue
        clips = range(first, min(first + 32, len(shards)))
        arrays = _encode(shards, clips, vae, audio)
        partial = out / f".{final.name}.{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for name, values in arrays.items():
            np.save(partial / f"{name}.npy", values)
        (partial / "meta.json").write_text(json.dumps({"fps": shards.plan.fps, "size": shards.plan.size}))
        os.replace(partial, final)
        LOG.info("encoded %s", final.name)


def _encode(shards: ClipShards, clips: range, vae: AutoencoderKL, audio: MelConvEncoder) -> dict[str, np.ndarray]:
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}
    for clip in clips:
        rows["latents"].append(_latents(vae, shards.frames(clip)))
        rows["portraits"].append(_latents(vae, shards.portraits(clip)))
        waveform = torch.from_numpy(shards.waveform(clip)[0])
        states = audio.encode(normalise(waveform))
        frames = len(shards.frames(clip))
        rows["states"].append(resample_states(states, StateTimes(), frames, shards.plan.fps).half().numpy())
        for name in ("boxes", "portrait_boxes", "speed", "tracks", "landmarks"):
            rows[name].append(np.array(getattr(shards, name)(clip)))
    return {name: np.stack(values) for name, values in rows.items()}


def _latents(vae: AutoencoderKL, frames: np.ndarray) -> np.ndarray:
    pictures = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.autocast("cpu", torch.bfloat16):
        latents = torch.cat([vae.encode(part) for part in pictures.split(16)])
    return latents.half().numpy()


class LatentClips:
    """Memory-mapped access to what `encode_clips` wrote."""

    def __init__(self, folder: Path) -> None:
        parts = sorted(folder.glob("part-*/meta.json"))
        if not parts:
            raise FileNotFoundError(f"no encoded clips in {folder}; encode some with `python -m emo_core train`")
        self.size = int(json.loads(parts[0].read_text())["size"])
        self.fps = float(json.loads(parts[0].read_text())["fps"])
        self._maps = [{n: np.load(p.parent / f"{n}.npy", mmap_mode="r") for n in ARRAYS} for p in parts]
        self._places = [(i, row) for i, maps in enumerate(self._maps) for row in range(len(maps["latents"]))]

    def __len__(self) -> int:
        return len(self._places)

    def get(self, clip: int, name: str, rows: np.ndarray | slice) -> Tensor:
        """Rows of one of `ARRAYS` of a clip, float32."""
        part, row = self._places[clip]
        return torch.from_numpy(np.array(self._maps[part][name][row][rows], dtype=np.float32))

    def frames(self, clip: int) -> int:
        """Number of frames of a clip."""
        part, _ = self._places[clip]
        return self._maps[part]["latents"].shape[1]
