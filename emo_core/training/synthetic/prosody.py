"""What can be heard besides the words: loudness, pitch and brightness, measured on the waveform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from .espeak import SAMPLE_RATE

RATE = 100
"""Hz of the measured tracks; sample i stands for the time (i + 0.5) / RATE."""
PITCH_RANGE = (60.0, 700.0)
"""Hz."""

_WINDOW = 800  # 50 ms: three periods of the lowest pitch
_FFT = 2048


@dataclass(frozen=True)
class Prosody:
    """Measures at `RATE`, float32 [T] each."""

    rms: np.ndarray
    """Root mean square of the waveform over 20 ms, full scale is 1."""
    f0: np.ndarray
    """Fundamental frequency in Hz, 0 where there is no voice."""
    brightness: np.ndarray
    """Spectral centroid in kHz, 0 in silence."""

    @property
    def loudness(self) -> np.ndarray:
        """RMS over the clip's own loud parts (95th percentile), so that the recording's gain cancels."""
        loud = self.rms[self.rms > 0.05 * self.rms.max(initial=0.0)]
        reference = np.percentile(loud, 95) if loud.size else 1.0
        return np.minimum(self.rms / max(reference, 1e-6), 1.2).astype(np.float32)

    @property
    def relative_pitch(self) -> np.ndarray:
        """Octaves above the clip's median pitch, NaN where there is no voice."""
        voiced = self.f0 > 0
        octaves = np.full(len(self.f0), np.nan, np.float32)
        if voiced.any():
            octaves[voiced] = np.log2(self.f0[voiced] / np.median(self.f0[voiced]))
        return octaves


def measure(waveform: np.ndarray) -> Prosody:
    """Measure a waveform [S] at 16 kHz: ceil(S / 160) values per track."""
    hop = SAMPLE_RATE // RATE
    count = -(-len(waveform) // hop)
    padded = np.pad(waveform, (_WINDOW // 2 - hop // 2, _WINDOW + count * hop - len(waveform)))
    starts = np.arange(count) * hop
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[starts]
    middle = frames[:, _WINDOW // 2 - hop : _WINDOW // 2 + hop]
    rms = np.sqrt(np.mean(middle**2, axis=1))
    spectrum = np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), _FFT)
    power = spectrum.real**2 + spectrum.imag**2
    silent = rms < max(0.03 * float(rms.max(initial=0.0)), 1e-4)
    f0 = np.where(silent, 0.0, _pitch(power))
    kilohertz = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE) / 1000
    amplitude = np.sqrt(power)
    centroid = (amplitude @ kilohertz) / np.maximum(amplitude.sum(axis=1), 1e-9)
    return Prosody(
        rms.astype(np.float32), f0.astype(np.float32), np.where(silent, 0, centroid).astype(np.float32)
    )


def _pitch(power: np.ndarray) -> np.ndarray:
    """Autocorrelation pitch of frames [T, bins], 0 where the best lag explains too little.

    A second pass near the median of the first repairs octave errors.
    """
    correlation = np.fft.irfft(power)[:, : _FFT // 2]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(_WINDOW), _FFT)) ** 2)[: _FFT // 2]
    # Dividing by the window's own autocorrelation undoes its fall towards long lags.
    normal = correlation / np.maximum(correlation[:, :1], 1e-9) * (window[0] / np.maximum(window, 1e-3))
    f0 = _best_lag(normal, *PITCH_RANGE)
    if not (f0 > 0).any():
        return f0
    middle = float(np.median(f0[f0 > 0]))
    low, high = max(PITCH_RANGE[0], middle / 2.2), min(PITCH_RANGE[1], middle * 2.2)
    return median_filter(_best_lag(normal, low, high), 5)


def _best_lag(normal: np.ndarray, low: float, high: float) -> np.ndarray:
    """Frequency of the highest peak of autocorrelations [T, lags] between two frequencies, 0 if below 0.5."""
    lags = np.arange(int(SAMPLE_RATE / high), int(SAMPLE_RATE / low) + 1)
    # The cost per octave prefers the shortest of equally good lags, which is the true period.
    best = lags[np.argmax(normal[:, lags] - 0.06 * np.log2(lags / lags[0]), axis=1)]
    rows = np.arange(len(best))
    left, peak, right = (normal[rows, best + step] for step in (-1, 0, 1))
    curve = np.minimum(left - 2 * peak + right, -1e-6)
    offset = np.clip(0.5 * (left - right) / curve, -0.5, 0.5)
    return np.where(peak > 0.5, SAMPLE_RATE / (best + offset), 0.0)


def smooth_over_gaps(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing [T] that ignores NaN and falls to 0 in gaps much longer than `sigma` samples."""
    known = ~np.isnan(values)
    weight = gaussian_filter1d(known.astype(np.float64), sigma)
    total = gaussian_filter1d(np.where(known, values, 0.0).astype(np.float64), sigma)
    return (total / (weight + 0.05)).astype(np.float32)
