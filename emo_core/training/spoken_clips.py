"""The audio encoder's own training sounds once more, for what comes behind it: there are many more than clips."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..audio.features import StateTimes, resample_states
from ..config import AudioConfig
from .audio_encoder import AudioPlan, corpus, load_audio_encoder
from .synthetic.corpus import FEATURE_RATE, SPEECH_TRACKS
from .synthetic.types import TRACKS

STATES, KNOWN = "spoken-states.npy", "spoken-tracks.npy"
BATCH = 16


@torch.inference_mode()
def encode_spoken(folder: Path, plan: AudioPlan, config: AudioConfig, fps: float) -> None:
    """Write the states and tracks of every video frame of the plan's corpora into their folder, once."""
    if (folder / KNOWN).is_file():
        return
    encoder = load_audio_encoder(config, folder)
    frames = round(plan.seconds * fps)
    columns = [(TRACKS.index(name), i) for i, name in enumerate(SPEECH_TRACKS) if name in TRACKS[:6]]
    at = (np.arange(frames) + 0.5) / fps * FEATURE_RATE - 0.5
    before = np.floor(at).astype(int)
    share = torch.from_numpy((at - before).astype(np.float32))[:, None]
    partial = folder / f".{STATES}"
    shape = (len(plan.seeds) * plan.clips, frames, config.layers, config.width)
    states = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
    known = np.zeros((shape[0], frames, len(TRACKS)), np.float32)
    for part, seed in enumerate(plan.seeds):
        sounds, tracks = corpus(folder, plan, config.periods, "train", plan.clips, seed)
        first = part * plan.clips
        for start in range(0, plan.clips, BATCH):
            made = encoder.states(sounds[start : start + BATCH].float())
            rows = [resample_states(one, StateTimes(), frames, fps) for one in made]
            states[first + start : first + start + len(rows)] = torch.stack(rows).half().numpy()
        last = torch.from_numpy(np.minimum(before + 1, tracks.shape[1] - 1))
        resampled = torch.lerp(tracks[:, before], tracks[:, last], share)
        for column, source in columns:
            known[first : first + plan.clips, :, column] = resampled[:, :, source].numpy()
    states.flush()
    os.replace(partial, folder / STATES)
    np.save(folder / KNOWN, known)


class SpokenClips:
    """What `encode_spoken` wrote, as `listening_task.Sounds`; tracks that no sound tells are zero."""

    def __init__(self, folder: Path) -> None:
        self._states = np.load(folder / STATES, mmap_mode="r")
        self._tracks = np.load(folder / KNOWN, mmap_mode="r")

    def __len__(self) -> int:
        return len(self._states)

    def frames(self, clip: int) -> int:
        """Number of video frames of a sound."""
        return self._states.shape[1]

    def get(self, clip: int, name: str, rows: np.ndarray | slice) -> Tensor:
        """Rows of "states" or "tracks"."""
        source = {"states": self._states, "tracks": self._tracks}[name]
        return torch.from_numpy(np.array(source[clip][rows], dtype=np.float32))
