"""Clips as the stages need them: latents, audio states per frame, boxes and speeds, encoded once and kept on disk."""

from __future__ import annotations

import json
import logging
import os
import shutil
from copy import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..audio.features import StateTimes, resample_states
from ..audio.mel_conv import MelConvEncoder, normalise
from ..backend import fast_bfloat16
from ..models.vae import AutoencoderKL
from .synthetic.clip_shards import ClipShards

LOG = logging.getLogger(__name__)
PICTURES = ("latents", "portraits", "boxes", "portrait_boxes", "speed", "tracks", "landmarks")
STATES = "states"


@torch.inference_mode()
def encode_clips(shards: ClipShards, vae: AutoencoderKL, out: Path, part: slice) -> None:
    """Encode the pictures of some clips, 32 to a folder `out/part-NNNNNN`; what is there is kept."""
    out.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(shards), 32)[part]:
        final = out / f"part-{first:06d}"
        if final.exists():
            continue
        partial = out / f".{final.name}.{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        clips = range(first, min(first + 32, len(shards)))
        for name, values in _pictures(shards, clips, vae).items():
            np.save(partial / f"{name}.npy", values)
        (partial / "meta.json").write_text(json.dumps({"fps": shards.plan.fps, "size": shards.plan.size}))
        os.replace(partial, final)
        LOG.info("encoded %s", final.name)


@torch.inference_mode()
def encode_states(shards: ClipShards, audio: MelConvEncoder, out: Path, part: slice) -> None:
    """Add the audio states of every frame to the folders of `encode_clips`."""
    for first in range(0, len(shards), 32)[part]:
        final = out / f"part-{first:06d}" / f"{STATES}.npy"
        if final.exists():
            continue
        rows = []
        for clip in range(first, min(first + 32, len(shards))):
            states = audio.encode(normalise(torch.from_numpy(shards.waveform(clip)[0])))
            frames = len(shards.frames(clip))
            rows.append(resample_states(states, StateTimes(), frames, shards.plan.fps).half().numpy())
        partial = final.with_name(f".{os.getpid()}.npy")
        np.save(partial, np.stack(rows))
        os.replace(partial, final)


def _pictures(shards: ClipShards, clips: range, vae: AutoencoderKL) -> dict[str, np.ndarray]:
    rows: dict[str, list[np.ndarray]] = {name: [] for name in PICTURES}
    for clip in clips:
        rows["latents"].append(_latents(vae, shards.frames(clip)))
        rows["portraits"].append(_latents(vae, shards.portraits(clip)))
        for name in PICTURES[2:]:
            rows[name].append(np.array(getattr(shards, name)(clip)))
    return {name: np.stack(values) for name, values in rows.items()}


def _latents(vae: AutoencoderKL, frames: np.ndarray) -> np.ndarray:
    pictures = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16("cpu")):
        latents = torch.cat([vae.encode(part) for part in pictures.split(16)])
    return latents.half().numpy()


class LatentClips:
    """Memory-mapped access to what `encode_clips` wrote."""

    def __init__(self, folder: Path) -> None:
        parts = sorted(folder.glob("**/part-*/meta.json"))
        if not parts:
            raise FileNotFoundError(
                f"no encoded clips in {folder}; encode some with `python -m emo_core train`"
            )
        self.size = int(json.loads(parts[0].read_text())["size"])
        self.fps = float(json.loads(parts[0].read_text())["fps"])
        self._maps = [{f.stem: np.load(f, mmap_mode="r") for f in p.parent.glob("[!.]*.npy")} for p in parts]
        self._places = [(i, row) for i, maps in enumerate(self._maps) for row in range(len(maps["latents"]))]

    def __len__(self) -> int:
        return len(self._places)

    def split(self, held_out: int) -> tuple[LatentClips, LatentClips]:
        """The clips without the last ones, and the last ones."""
        if held_out >= len(self):
            raise ValueError(f"{held_out} of {len(self)} clips cannot be held out: make more clips")
        border = len(self) - held_out
        parts = copy(self), copy(self)
        parts[0]._places, parts[1]._places = self._places[:border], self._places[border:]
        return parts

    def has(self, name: str) -> bool:
        """Whether the clips have `name`."""
        return name in self._maps[0]

    def get(self, clip: int, name: str, rows: np.ndarray | slice) -> Tensor:
        """Rows of one of `PICTURES`, or of the audio states, of a clip, float32."""
        part, row = self._places[clip]
        return torch.from_numpy(np.array(self._maps[part][name][row][rows], dtype=np.float32))

    def frames(self, clip: int) -> int:
        """Number of frames of a clip."""
        part, _ = self._places[clip]
        return self._maps[part]["latents"].shape[1]
