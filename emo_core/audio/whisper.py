"""Whisper's encoder (arXiv:2212.04356): log-mel of 30 s to the hidden states of every layer.

Parameter names are those of transformers; OpenAI's files are renamed when they are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from ..backend import Backend

RATE = 16000
HOP = 160
"""Samples between mel frames: 100 per second."""
WINDOW = 400
PIECE = 3000
"""Mel frames that the encoder sees at once."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class WhisperConfig:
    """Sizes; the defaults are Whisper tiny."""

    mels: int = 80
    positions: int = 1500
    width: int = 384
    inner: int = 1536
    layers: int = 4
    heads: int = 6

    @staticmethod
    def from_shapes(shapes: Mapping[str, Shape], heads: int | None = None) -> WhisperConfig:
        """The sizes of tensors with these names and shapes; heads of 64 values if not given."""
        layers = next(n for n in count() if f"layers.{n}.fc1.weight" not in shapes)
        if "conv1.weight" not in shapes or not layers:
            raise ValueError("no Whisper encoder: 'conv1.weight' and layers are expected")
        width, mels, _ = shapes["conv1.weight"]
        return WhisperConfig(
            mels=mels,
            positions=shapes.get("embed_positions.weight", (PIECE // 2,))[0],
            width=width,
            inner=shapes["layers.0.fc1.weight"][0],
            layers=layers,
            heads=heads or max(1, width // 64),
        )


class WhisperEncoder(nn.Module):
    """The encoder without its last norm, which belongs to the way to text."""

    def __init__(self, config: WhisperConfig, *, backend: Backend) -> None:
        super().__init__()
        self.config = config
        self.conv1 = backend.conv1d(config.mels, config.width, 3, padding=1)
        self.conv2 = backend.conv1d(config.width, config.width, 3, stride=2, padding=1)
        self.embed_positions = backend.layers.Embedding(
            config.positions, config.width, dtype=backend.dtype, device=backend.device
        )
        self.layers = nn.ModuleList(_Layer(config, backend=backend) for _ in range(config.layers))

    def states(self, mel: Tensor) -> Tensor:
        """States [T / 2, 1 + layers, C] of one piece [mels, 3000] of log-mel."""
        x = gelu(self.conv1(mel[None].to(self.conv1.weight.dtype)))
        x = gelu(self.conv2(x)).transpose(1, 2)
        states = [x + self.embed_positions(torch.arange(x.shape[1], device=x.device)).to(x.dtype)]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return torch.stack(states, dim=2)[0]

    def forward(self, waveform: Tensor) -> Tensor:
        """States [T, 1 + layers, C] at 50 Hz of a waveform [S] at 16 kHz, as EchoMimic reads them.

        The sound is cut into pieces of 30 s; the last is filled up with zeros of the normalised log-mel, and
        every piece keeps half as many states as it has mel frames, rounded down.
        """
        mel = log_mel(waveform.to(self.conv1.weight.device), self.config.mels)
        kept = []
        for start in range(0, mel.shape[1], PIECE):
            piece = mel[:, start : start + PIECE]
            kept.append(self.states(pad(piece, (0, PIECE - piece.shape[1])))[: piece.shape[1] // 2])
        return torch.cat(kept)


class _Attention(nn.Module):
    def __init__(self, config: WhisperConfig, *, backend: Backend) -> None:
        super().__init__()
        self.heads, self.kernel = config.heads, backend.attention
        width = config.width
        self.q_proj, self.v_proj, self.out_proj = (backend.linear(width, width) for _ in range(3))
        self.k_proj = backend.linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(self.kernel(q, k, v))


class _Layer(nn.Module):
    def __init__(self, config: WhisperConfig, *, backend: Backend) -> None:
        super().__init__()
        self.self_attn_layer_norm = backend.layer_norm(config.width)
        self.self_attn = _Attention(config, backend=backend)
        self.final_layer_norm = backend.layer_norm(config.width)
        self.fc1 = backend.linear(config.width, config.inner)
        self.fc2 = backend.linear(config.inner, config.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(gelu(self.fc1(self.final_layer_norm(x))))


def log_mel(waveform: Tensor, mels: int = 80) -> Tensor:
    """Whisper's log-mel [mels, T] of a waveform [S] at 16 kHz: 100 frames per second, T = S // 160.

    Values lie within 8 decades below the maximum of the whole sound, then (x + 4) / 4.
    """
    if waveform.shape[0] <= WINDOW // 2:
        raise ValueError(f"{waveform.shape[0]} samples are too few for Whisper: it needs {WINDOW // 2 + 1}")
    window = torch.hann_window(WINDOW, device=waveform.device)
    spectrum = torch.stft(waveform.float(), WINDOW, HOP, window=window, return_complex=True)
    power = spectrum[:, :-1].abs().square()
    log = (mel_filters(mels).to(power) @ power).clamp(min=1e-10).log10()
    return (torch.maximum(log, log.max() - 8.0) + 4.0) / 4.0


def mel_filters(mels: int, bins: int = WINDOW // 2 + 1, rate: int = RATE) -> Tensor:
    """Slaney's triangular filters [mels, bins] of unit area, from 0 Hz to half the rate."""
    frequencies = torch.linspace(0, rate / 2, bins, dtype=torch.float64)
    edges = _mel_to_hz(torch.linspace(0, _hz_to_mel(rate / 2), mels + 2, dtype=torch.float64))
    ramps = edges[:, None] - frequencies
    widths = edges.diff()[:, None]
    triangles = torch.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]).clamp(min=0)
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).float()


_LINEAR = 200 / 3
"""Slaney's mel: this many Hz per mel up to 1 kHz, logarithmic above."""
_CORNER = 1000.0
_STEP = math.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    return hz / _LINEAR if hz < _CORNER else _CORNER / _LINEAR + math.log(hz / _CORNER) / _STEP


def _mel_to_hz(mel: Tensor) -> Tensor:
    corner = _CORNER / _LINEAR
    return torch.where(mel < corner, mel * _LINEAR, _CORNER * torch.exp((mel - corner) * _STEP))


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's positions [length, width]: sines, then cosines. Files may leave them out."""
    step = math.log(10000) / (width // 2 - 1)
    angles = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(width // 2))
    return torch.cat([angles.sin(), angles.cos()], dim=1)
