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
from .synthetic.clip_plan import FASTEST
from .synthetic.head_motion import LIMITS
from .synthetic.types import TRACKS
from .telling import TOLD

STATES, KNOWN, HEADS, ASKED = (f"spoken-{name}.npy" for name in ("states", "tracks", "heads", "speeds"))
BATCH = 16
SPEEDS = 8
"""At how many speeds a head turns to each sound."""


@torch.inference_mode()
def encode_spoken(folder: Path, plan: AudioPlan, config: AudioConfig, fps: float) -> None:
    """Write states, tracks and turning heads of every video frame of the plan's corpora into their folder, once."""
    if (folder / HEADS).is_file():
        return
    from .synthetic.behaviour import sample
    from .synthetic.corpus import FEATURE_RATE, SPEECH_TRACKS, are_sung

    encoder = load_audio_encoder(config, folder)
    frames = round(plan.seconds * fps)
    at = (np.arange(frames) + 0.5) / fps
    partial = folder / f".{STATES}"
    shape = (len(plan.seeds) * plan.clips, frames, config.layers, config.width)
    states = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
    known = np.zeros((shape[0], frames, len(TRACKS)), np.float32)
    heads = np.zeros((shape[0], SPEEDS, frames, 3), np.float16)
    rng = np.random.default_rng(plan.seed)
    asked = np.where(
        rng.random((shape[0], SPEEDS)) < 0.5,
        rng.uniform(0, 0.6, (shape[0], SPEEDS)),
        rng.uniform(0, FASTEST, (shape[0], SPEEDS)),
    ).astype(np.float32)
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
        sung = are_sung(seed, plan.clips, "train", plan.singing_share)
        heard = tracks[:, :, [SPEECH_TRACKS.index(name) for name in ("loudness", "brightness")]].numpy()
        for index, sound in enumerate(heard):
            for k, speed in enumerate(asked[first + index]):
                heads[first + index, k] = head(rng, sound.T, float(speed), bool(sung[index]), at)
    states.flush()
    os.replace(partial, folder / STATES)
    for name, array in ((KNOWN, known), (ASKED, asked), (HEADS, heads)):  # the last one says that all are there
        partial = folder / f".{name}"
        np.save(partial, array)
        os.replace(partial, folder / name)


def head(rng: np.random.Generator, heard: np.ndarray, speed: float, singing: bool, at: np.ndarray) -> np.ndarray:
    """Yaw, pitch, roll [F, 3] at times [F] against its rest, of a head that turns to loudness and brightness [2, T]."""
    from .synthetic.behaviour import turned, turns_at
    from .synthetic.corpus import FEATURE_RATE

    loudness, brightness = heard
    rest = rng.uniform(-0.5, 0.5, 3) * LIMITS
    return turned(turns_at(at, loudness, brightness, FEATURE_RATE, speed, singing), rest, speed) - rest


class SpokenClips:
    """What `encode_spoken` wrote, as `emo_task.Sounds`; tracks that no sound tells are zero."""

    def __init__(self, folder: Path) -> None:
        self._states = np.load(folder / STATES, mmap_mode="r")
        self._tracks = np.load(folder / KNOWN, mmap_mode="r")
        self._heads, self.speeds = np.load(folder / HEADS, mmap_mode="r"), np.load(folder / ASKED)

    def __len__(self) -> int:
        return len(self._states)

    def frames(self, clip: int) -> int:
        """Number of video frames of a sound."""
        return self._states.shape[1]

    def get(self, clip: int, name: str, rows: np.ndarray | slice) -> Tensor:
        """Rows of "states" [F, layers, C], "tracks" [F, 14], or of "heads" [F, SPEEDS, 3] at the sound's `speeds`."""
        if name == "heads":
            return torch.from_numpy(np.array(self._heads[clip][:, rows], dtype=np.float32)).transpose(0, 1)
        source = {"states": self._states, "tracks": self._tracks}[name]
        return torch.from_numpy(np.array(source[clip][rows], dtype=np.float32))
