"""emo-tiny's own audio encoder: log-mel frames through dilated convolutions, with the interface of wav2vec2.

16 kHz sound goes in, hidden states of every layer come out at 50 Hz. With six layers it sees 0.7 s to either side, so
long sound can be encoded in pieces with exactly the same result. Mels do not tell how high a low voice is, as its
harmonics fall into one band: `AudioConfig.periods` autocorrelations stand beside them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from ..backend import Backend
from ..config import AudioConfig
from ..media.disk import read_rows

SAMPLE_RATE = 16000
HOP = 160
"""Samples between mel frames; states come at half their rate."""
STATE = 2 * HOP
"""Samples between states."""
WINDOW = 400
MELS = 80
REACH = 36
"""States beyond the ends of a piece that its states depend on, rounded up."""
PIECE = 1 << 20
"""Samples looked at at once where the whole sound counts."""
PERIOD_WINDOW = 800
"""Samples in which a period must repeat itself: 50 ms, three periods of the lowest voice."""
VOICE = (60.0, 500.0)
"""Hz, the pitches listened for."""
QUIET = 0.01
"""Root mean square below which sound is not made louder: silence must stay silence."""


class MelConvEncoder(nn.Module):
    """Waveform to the states of `config.layers` layers."""

    def __init__(self, config: AudioConfig, *, backend: Backend) -> None:
        super().__init__()
        width, self.periods = config.width, config.periods
        self.conv_in = backend.conv1d(MELS + config.periods, width, 3, padding=1)
        self.conv_half = backend.conv1d(width, width, 4, stride=2, padding=1)
        self.layers = nn.ModuleList(
            _Layer(width, config.expansion * width, dilation, backend=backend)
            for dilation in (1, 2, 4, 8, 16, 1)[: config.layers - 1]
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """States [T, layers, C] of a waveform [S] at 16 kHz, normalised by `normalise`; T = ceil(S / 320)."""
        return self.states(heard(waveform[None], self.periods))[0]

    def states(self, sound: Tensor) -> Tensor:
        """States [B, T, layers, C] of what is `heard`, [B, 80 + periods, 2T]."""
        weight = self.conv_in.weight
        x = gelu(self.conv_half(gelu(self.conv_in(sound.to(weight.dtype)))))
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return torch.stack(states, dim=1).permute(0, 3, 1, 2)

    def encode(self, waveform: Tensor, seconds: float = 30.0) -> Tensor:
        """`forward` in pieces of bounded memory, for sound [S] of any length."""
        total = max(1, math.ceil(waveform.shape[0] / STATE))
        step = max(1, int(seconds * SAMPLE_RATE) // STATE)
        whole = torch.empty(0)
        for start in range(0, total, step):
            first, last = max(0, start - REACH), min(total, start + step + REACH)
            states = self.states(heard(waveform[None], self.periods, first * 2, last * 2))[0]
            if not start:  # filled piece by piece: long sounds are never held twice
                whole = states.new_empty(total, *states.shape[1:])
            whole[start : start + step] = states[start - first : start - first + min(step, total - start)]
        return whole


class _Layer(nn.Module):
    """A residual dilated convolution."""

    def __init__(self, width: int, inner: int, dilation: int, *, backend: Backend) -> None:
        super().__init__()
        self.norm = backend.layer_norm(width)
        self.conv = backend.conv1d(width, inner, 3, padding=dilation, dilation=dilation)
        self.out = backend.conv1d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T] to the same shape."""
        h = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return x + self.out(gelu(self.conv(h)))


def normalise(waveform: Tensor) -> Tensor:
    """Bring sound [S] to a root mean square of 0.1, but never make near-silence loud."""
    return waveform * gain(waveform)


def gain(waveform: Tensor) -> float:
    """The factor of `normalise` for sound [S], found without a second copy of it."""
    parts = (read_rows(waveform, start, start + PIECE) for start in range(0, len(waveform), PIECE))
    power = sum(float(part.double().square().sum()) for part in parts) / max(1, len(waveform))
    return 0.1 / max(math.sqrt(power), QUIET)


def heard(waveform: Tensor, periods: int, first: int = 0, last: int | None = None) -> Tensor:
    """Log-mel frames and, under them, periodicity [B, 80 + periods, last - first] of sound [B, S] at 16 kHz."""
    mel = log_mel(waveform, first, last)
    return torch.cat([mel, periodicity(waveform, periods, first, last)], dim=1) if periods else mel


def log_mel(waveform: Tensor, first: int = 0, last: int | None = None) -> Tensor:
    """Log-mel frames [B, 80, last - first] of sound [B, S] at 16 kHz, 100 per second.

    Frame j is centred at sample 160 j + 80, so that state t, made of frames 2t and 2t + 1, is centred at
    (t + 0.5) / 50 s. Beyond the ends there is silence; the number of frames is even.
    """
    power = torch.fft.rfft(_frames(waveform, WINDOW, first, last), 512).abs().square()  # [B, T, 257]
    energy = power @ mel_filters().to(power)
    return (energy.clamp(min=1e-6).log() / 4).transpose(1, 2)


def periodicity(waveform: Tensor, periods: int, first: int = 0, last: int | None = None) -> Tensor:
    """Autocorrelation of frames as `log_mel`'s [B, periods, last - first], at periods evenly spaced in pitch (`VOICE`).

    1 is a sound that repeats itself exactly, 0 noise or silence (Boersma, 1993: divided by the window's own).
    """
    frames = _frames(waveform, PERIOD_WINDOW, first, last)
    size = 2 * PERIOD_WINDOW
    products = torch.fft.irfft(torch.fft.rfft(frames, size).abs().square())[..., :PERIOD_WINDOW]
    window = torch.hann_window(PERIOD_WINDOW, device=waveform.device)
    own = torch.fft.irfft(torch.fft.rfft(window, size).abs().square())[:PERIOD_WINDOW]
    silence = 1e-6 * PERIOD_WINDOW
    alike = products / (products[..., :1] + silence) * (own[0] / own.clamp(min=1e-3 * own[0]))
    low, high = (SAMPLE_RATE / hertz for hertz in VOICE)
    lags = torch.logspace(math.log10(high), math.log10(low), periods, dtype=torch.float64)
    before = lags.floor().long()
    share = (lags - before).to(alike)
    before = before.to(alike.device)
    return torch.lerp(alike[..., before], alike[..., before + 1], share).transpose(1, 2)


def _frames(waveform: Tensor, window: int, first: int, last: int | None) -> Tensor:
    """Windowed frames [B, last - first, window], frame j centred at sample 160 j + 80."""
    samples = waveform.shape[-1]
    last = 2 * max(1, math.ceil(samples / STATE)) if last is None else last
    begin, end = first * HOP + (HOP - window) // 2, (last - 1) * HOP + (HOP + window) // 2
    piece = pad(waveform[..., max(begin, 0) : min(end, samples)], (max(-begin, 0), max(end - samples, 0)))
    return piece.float().unfold(-1, window, HOP) * torch.hann_window(window, device=waveform.device)


def mel_filters() -> Tensor:
    """Triangles [257, 80] from 40 Hz to 8 kHz, evenly spaced in mel."""
    edges = mel_edges()
    bins = torch.arange(257, dtype=torch.float64)[:, None] * SAMPLE_RATE / 512
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(rise, fall).clamp(min=0).float()


def mel_edges() -> Tensor:
    """Hz [82] where the mel bands begin, peak and end: band j has its middle at edge j + 1; float64."""

    def to_mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    return 700 * (10 ** (torch.linspace(to_mel(40), to_mel(8000), MELS + 2, dtype=torch.float64) / 2595) - 1)
