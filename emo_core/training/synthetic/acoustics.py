"""What a room and a microphone add to a voice. Labels do not change: the same words, the same face."""

from __future__ import annotations

import numpy as np
from scipy.signal import fftconvolve, lfilter

from .espeak import SAMPLE_RATE

_PEAK = 0.95


def record(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A waveform [S] as recorded, float32 within -1..1.

    The level is always drawn anew; tone, room and noise are added in a share of the clips.
    """
    sound = waveform.astype(np.float64)
    if rng.random() < 0.4:  # a first-order shelf, up to about 6 dB at either end
        tilt = rng.uniform(-0.35, 0.35)
        sound = np.asarray(lfilter((1, tilt), (1 + tilt,), sound))
    if rng.random() < 0.25:
        sound = _in_room(sound, rng)
    level = 0.1 * 10 ** (rng.uniform(-9, 4) / 20)  # RMS of the sounding part, full scale is 1
    loud = np.abs(sound) > 1e-3
    rms = np.sqrt(np.mean(sound[loud] ** 2)) if loud.any() else 1.0
    sound = sound * level / max(float(rms), 1e-6)
    if rng.random() < 0.4:
        sound = sound + _noise(len(sound), rng) * level * 10 ** (-rng.uniform(18, 45) / 20)
    peak = np.abs(sound).max(initial=0.0)
    return (sound * min(1.0, _PEAK / max(peak, 1e-9))).astype(np.float32)


def _in_room(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add an exponentially dying tail; the direct sound keeps its time, so labels stay in step."""
    decay = rng.uniform(0.1, 0.45)  # s to -60 dB
    time = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay)
    tail[: int(0.002 * SAMPLE_RATE)] = 0
    tail *= rng.uniform(0.1, 0.5) / np.sqrt(np.sum(tail**2) + 1e-12)
    tail[0] = 1.0
    return fftconvolve(sound, tail)[: len(sound)]


def _noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """White to brownish noise [count] of RMS 1."""
    noise = np.asarray(lfilter((1,), (1, -rng.uniform(0, 0.95)), rng.standard_normal(count)))
    return noise / np.sqrt(np.mean(noise**2))
