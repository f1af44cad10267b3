"""Sound with its visemes, for the pretraining of the audio encoder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .acoustics import record
from .behaviour import SINGING_SHARE, blinks, brow, head_turns, sample
from .espeak import Synthesiser
from .prosody import RATE as PROSODY_RATE
from .prosody import measure
from .singing import sing_clip
from .speech import speak_clip
from .texts import SPLITS, check_split
from .visemes import RATE as MOUTH_RATE
from .visemes import mouth_tracks

SPEECH_TRACKS = (
    "open",
    "width",
    "round",
    "voiced",
    "pitch",
    "loudness",
    "yaw",
    "nod",
    "roll",
    "brow",
    "blink",
    "brightness",
)
"""The columns of `speech_corpus`: mouth, voiced 0 or 1, octaves above the clip's median pitch (0 where
unvoiced), RMS against the clip's own loud parts (0..1.2), how a head turns with it (`behaviour.head_turns`),
brows and lids, spectral centroid in kHz (0 in silence)."""
FEATURE_RATE = 50
"""Hz; row i stands for the time (i + 0.5) / 50, within 2.5 ms the centre of wav2vec2's i-th frame."""


def speech_corpus(
    seed: int,
    count: int,
    split: str,
    *,
    seconds: float = 4.0,
    singing_share: float = SINGING_SHARE,
    synthesiser: Synthesiser | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield `count` pairs: waveform float32 [seconds * 16000] and tracks float32 [seconds * 50, 12].

    Pair i depends on seed and i alone. Raises ValueError for an unknown split.
    """
    check_split(split)
    synthesiser = synthesiser or Synthesiser()
    at = (np.arange(round(seconds * FEATURE_RATE)) + 0.5) / FEATURE_RATE
    for index in range(count):
        rng, sung = _begin(seed, index, split, singing_share)
        if sung:
            utterance = sing_clip(synthesiser, rng, seconds, split).utterance
        else:
            utterance = speak_clip(synthesiser, rng, seconds, split)
        prosody = measure(utterance.waveform)
        mouth = mouth_tracks(utterance, prosody)
        columns = [sample(column, MOUTH_RATE, at) for column in mouth.T]
        nearest = np.clip((at * PROSODY_RATE).astype(int), 0, len(prosody.f0) - 1)
        columns += [
            (prosody.f0[nearest] > 0).astype(np.float32),
            np.nan_to_num(prosody.relative_pitch[nearest]),
            sample(prosody.loudness, PROSODY_RATE, at),
        ]
        columns += [sample(column, PROSODY_RATE, at) for column in head_turns(prosody).T]
        columns += [sample(brow(prosody), PROSODY_RATE, at), blinks(rng, prosody, at)]
        columns.append(sample(prosody.brightness, PROSODY_RATE, at))
        yield record(utterance.waveform, rng), np.stack(columns, axis=1).astype(np.float32)


def are_sung(seed: int, count: int, split: str, singing_share: float) -> np.ndarray:
    """Which sounds of `speech_corpus` are sung, bool [count]."""
    return np.array([_begin(seed, index, split, singing_share)[1] for index in range(count)])


def _begin(seed: int, index: int, split: str, singing_share: float) -> tuple[np.random.Generator, bool]:
    rng = np.random.default_rng((seed, index, SPLITS.index(split)))
    return rng, bool(rng.random() < singing_share)
