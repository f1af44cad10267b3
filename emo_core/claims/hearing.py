"""What a sound says about a face without any network: loudness, silence, pitch, and the mouth of a puppet."""

from __future__ import annotations

import numpy as np

from ..evaluation.metrics import smooth
from ..training.synthetic.behaviour import sample
from ..training.synthetic.prosody import RATE, measure, smooth_over_gaps

SILENT = 0.06
"""Loudness, of the clip's loud parts, below which nothing is said."""
REACH = 0.12
"""s around silence and speech that belong to neither: lips move before and after the sound."""


def puppet(waveform: np.ndarray, frames: int, fps: float, power: float, sigma: float) -> np.ndarray:
    """A mouth that follows RMS to a power, smoothed by sigma frames [F]: the simplest talking head."""
    at = (np.arange(frames) + 0.5) / fps
    return smooth(sample(measure(waveform).rms ** power, RATE, at), sigma)


def pitch_curve(waveform: np.ndarray, frames: int, fps: float) -> np.ndarray:
    """The voice's pitch against the clip's median [F], in octaves, smoothed over 0.1 s and none in pauses."""
    octaves = smooth_over_gaps(measure(waveform).relative_pitch, 0.08 * RATE)
    return sample(octaves, RATE, (np.arange(frames) + 0.5) / fps)


def silence_and_speech(waveform: np.ndarray, frames: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames well inside silence and frames well inside speech, bool [F] each."""
    loud = measure(waveform).loudness > SILENT
    reach = round(REACH * RATE)
    spread = np.lib.stride_tricks.sliding_window_view(np.pad(loud, reach, mode="edge"), 2 * reach + 1)
    at = np.clip(((np.arange(frames) + 0.5) / fps * RATE).astype(int), 0, len(loud) - 1)
    return ~np.any(spread, axis=1)[at], (smooth(loud.astype(float), reach / 2) > 0.8)[at]
