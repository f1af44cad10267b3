"""Does this mouth make this sound: the opening of the lips against the loudness of the voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VOICE = (200.0, 4000.0)
"""The band in which loudness is measured, Hz."""
REACH = 15
"""Shifts that are tried, frames either way."""
SLOW = 1.0
"""Changes slower than this are taken out of both curves, s."""


@dataclass(frozen=True)
class Sync:
    """How well mouth and sound fit."""

    lag: int
    """Shift at which they fit best, frames; positive: the mouth comes after the sound."""
    correlation: float
    """At that shift, -1..1."""


def loudness(samples: np.ndarray, rate: int, frames: int, fps: float) -> np.ndarray:
    """RMS of the voice's band in each frame's share of the sound [F]."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / rate)
    spectrum[(hertz < VOICE[0]) | (hertz > VOICE[1])] = 0
    power = np.square(np.fft.irfft(spectrum, len(samples)))
    borders = np.minimum(np.round(np.arange(frames + 1) * rate / fps).astype(int), len(power))
    total = np.concatenate([[0.0], np.cumsum(power)])
    return np.sqrt((total[borders[1:]] - total[borders[:-1]]).clip(0) / np.maximum(np.diff(borders), 1))


def measure_sync(mouth: np.ndarray, sound: np.ndarray, fps: float) -> Sync:
    """The best shift between mouth opening [F] and loudness [F]."""
    lips, voice = _lively(mouth, fps), _lively(np.sqrt(sound), fps)
    reach = min(REACH, len(mouth) // 3)
    scores = {lag: _correlation(lips, voice, lag) for lag in range(-reach, reach + 1)}
    lag = max(scores, key=lambda key: scores[key])
    return Sync(lag, scores[lag])


def _lively(curve: np.ndarray, fps: float) -> np.ndarray:
    """A curve without its slow changes."""
    width = 2 * round(SLOW * fps / 2) + 1
    padded = np.pad(curve.astype(np.float64), width // 2, mode="reflect")
    return curve - np.convolve(padded, np.ones(width) / width, mode="valid")


def _correlation(lips: np.ndarray, voice: np.ndarray, lag: int) -> float:
    """Of lips[i + lag] with voice[i], where both are."""
    first, last = max(lag, 0), len(lips) + min(lag, 0)
    a, b = lips[first:last], voice[first - lag : last - lag]
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 1e-12 else 0.0
