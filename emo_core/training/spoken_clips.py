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
from .synthetic.types import TRACKS
from .telling import TOLD

STATES, KNOWN = "spoken-states.npy", "spoken-tracks.npy"
BATCH = 16


@torch.inference_mode()
def encode_spoken(folder: Path, plan: AudioPlan, config: AudioConfig, fps: float) -> None:
    """Write the states and tracks of every video frame of the plan's corpora into their folder, once."""
    if (folder / KNOWN).is_file():
        return
    from .synthetic.behaviour import sample
    from .synthetic.corpus import FEATURE_RATE, SPEECH_TRACKS

    encoder = load_audio_encoder(config, folder)
    frames = round(plan.seconds * fps)
    at = (np.arange(frames) + 0.5) / fps
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
        for name in TOLD:
            values = tracks[:, :, SPEECH_TRACKS.index(name)].numpy()
            known[first : first + plan.clips, :, TRACKS.index(name)] = [sample(row, FEATURE_RATE, at) for row in values]
    states.flush()
    os.replace(partial, folder / STATES)
    partial = folder / f".{KNOWN}"
    np.save(partial, known)
    os.replace(partial, folder / KNOWN)


class SpokenClips:
    """What `encode_spoken` wrote, as `emo_task.Sounds`; tracks that no sound tells are zero."""

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
