"""wav2vec 2.0 (arXiv:2006.11477) in its base form: sound to the hidden states of every layer.

Parameter names are those of transformers, so published files fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate

from ..backend import Backend

HOP = 320
"""Samples from one state to the next: 50 states per second at 16 kHz."""
FIELD = 400
"""Samples that one state is made of, before the layers that see the whole sound."""
STRIDES = (5, 2, 2, 2, 2, 2, 2)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Wav2Vec2Config:
    """Sizes; the defaults are wav2vec2-base."""

    conv_width: int = 512
    kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    width: int = 768
    inner: int = 3072
    layers: int = 12
    heads: int = 12
    position_kernel: int = 128
    position_groups: int = 16

    @staticmethod
    def from_shapes(shapes: Mapping[str, Shape], heads: int | None = None) -> Wav2Vec2Config:
        """The sizes of tensors with these names and shapes; heads of 64 values if not given.

        Raises ValueError for layouts with other norms, such as large models have.
        """
        conv = "feature_extractor.conv_layers.{}.conv.weight"
        position = "encoder.pos_conv_embed.conv.weight"
        layers = _count(shapes, "encoder.layers.{}.layer_norm.weight")
        if conv.format(0) not in shapes or position not in shapes or not layers:
            raise ValueError(f"no wav2vec 2.0 encoder: no {conv.format(0)!r}, {position!r} or layers")
        if "feature_extractor.conv_layers.1.layer_norm.weight" in shapes:
            raise ValueError("this wav2vec 2.0 normalises every convolution: use a base model (group norm)")
        kernels = tuple(shapes[conv.format(i)][2] for i in range(_count(shapes, conv)))
        if len(kernels) != len(STRIDES):
            raise ValueError(f"{len(kernels)} convolutions, needed are {len(STRIDES)} as in wav2vec2-base")
        width, group_width, position_kernel = shapes[position]
        return Wav2Vec2Config(
            conv_width=shapes[conv.format(0)][0],
            kernels=kernels,
            width=width,
            inner=shapes["encoder.layers.0.feed_forward.intermediate_dense.weight"][0],
            layers=layers,
            heads=heads or max(1, width // 64),
            position_kernel=position_kernel,
            position_groups=width // group_width,
        )


class Wav2Vec2(nn.Module):
    """The encoder without any head."""

    def __init__(self, config: Wav2Vec2Config, *, backend: Backend) -> None:
        super().__init__()
        self.config = config
        self.feature_extractor = _FeatureExtractor(config, backend=backend)
        self.feature_projection = _FeatureProjection(config, backend=backend)
        self.encoder = _Encoder(config, backend=backend)

    def forward(
        self, waveform: Tensor, frames: int | None = None, *, layers: int | None = None
    ) -> Tensor:
        """Hidden states [T, 1 + layers, C], before the first and after every layer, of sound [S] at 16 kHz.

        The sound has zero mean and unit variance. With `frames`, features are stretched to that many before
        the layers see them (Hallo); otherwise T is 50 per second. `layers` keeps the last so many states only.
        """
        if waveform.shape[0] < FIELD:
            raise ValueError(f"{waveform.shape[0]} samples are too few for wav2vec 2.0: it needs {FIELD}")
        features = self.feature_extractor(waveform)  # [1, C, T]
        if frames is not None:
            features = interpolate(features, size=frames, mode="linear", align_corners=True)
        return self.encoder(self.feature_projection(features.transpose(1, 2)), layers)


class _FirstConv(nn.Module):
    """The only convolution with a norm: per channel over the whole sound."""

    def __init__(self, config: Wav2Vec2Config, *, backend: Backend) -> None:
        super().__init__()
        width = config.conv_width
        self.conv = backend.conv1d(1, width, config.kernels[0], stride=STRIDES[0], bias=False)
        self.layer_norm = backend.group_norm(width, width, 1e-5)

    def forward(self, x: Tensor, statistics: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Map [1, 1, S] to [1, C, S']; with (mean, variance) of the whole sound, x may be a piece of it."""
        x = self.conv(x)
        if statistics is None:
            return gelu(self.layer_norm(x))
        mean, variance = (s[:, None].to(x) for s in statistics)
        weight, bias = (p[:, None].to(x) for p in (self.layer_norm.weight, self.layer_norm.bias))
        return gelu((x - mean) * (variance + 1e-5).rsqrt() * weight + bias)


class _PlainConv(nn.Module):
    def __init__(self, width: int, kernel: int, stride: int, *, backend: Backend) -> None:
        super().__init__()
        self.conv = backend.conv1d(width, width, kernel, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return gelu(self.conv(x))


class _FeatureExtractor(nn.Module):
    """Seven convolutions; long sound goes through in pieces, with the same result."""

    pieces_of = 30 * 16000
    """Longest sound (samples) that is done at once."""

    def __init__(self, config: Wav2Vec2Config, *, backend: Backend) -> None:
        super().__init__()
        width = config.conv_width
        rest = zip(config.kernels[1:], STRIDES[1:], strict=True)
        self.conv_layers = nn.ModuleList(
            [
                _FirstConv(config, backend=backend),
                *(_PlainConv(width, kernel, stride, backend=backend) for kernel, stride in rest),
            ]
        )

    @property
    def _first(self) -> _FirstConv:
        return cast(_FirstConv, self.conv_layers[0])

    def forward(self, waveform: Tensor) -> Tensor:
        """Map [S] to features [1, C, T], T = 1 + (S - 400) // 320."""
        x = waveform.to(self._first.conv.weight.dtype)
        if x.shape[0] <= self.pieces_of:
            return self._run(x)
        statistics = self._statistics(x)
        pieces = (x[start : stop + FIELD - HOP] for start, stop in self._spans(x.shape[0]))
        return torch.cat([self._run(piece, statistics) for piece in pieces], dim=2)

    def _run(self, piece: Tensor, statistics: tuple[Tensor, Tensor] | None = None) -> Tensor:
        x = self._first(piece[None, None], statistics)
        for layer in self.conv_layers[1:]:
            x = layer(x)
        return x

    def _spans(self, samples: int) -> Iterator[tuple[int, int]]:
        """Where pieces start, and where the next one's states do."""
        states, step = 1 + (samples - FIELD) // HOP, self.pieces_of // HOP
        for first in range(0, states, step):
            yield first * HOP, min(first + step, states) * HOP

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance [C] of the first convolution's output over the whole sound."""
        first = self._first.conv
        kernel, stride = first.weight.shape[2], STRIDES[0]
        outputs, step = 1 + (x.shape[0] - kernel) // stride, self.pieces_of // stride
        total = squares = torch.zeros((), dtype=torch.float64)
        for start in range(0, outputs, step):
            stop = min(start + step, outputs)
            y = first(x[None, None, start * stride : (stop - 1) * stride + kernel])[0].double().cpu()
            total, squares = total + y.sum(1), squares + y.square().sum(1)
        mean = total / outputs
        return mean, squares / outputs - mean.square()


class _FeatureProjection(nn.Module):
    def __init__(self, config: Wav2Vec2Config, *, backend: Backend) -> None:
        super().__init__()
        self.layer_norm = backend.layer_norm(config.conv_width)
        self.projection = backend.linear(config.conv_width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(self.layer_norm(x))


class _Positions(nn.Module):
    """Positions from a wide grouped convolution of the features themselves."""

    def __init__(self, config: Wav2Vec2Config, *, backend: Backend) -> None:
        super().__init__()
        kernel = config.position_kernel
        self.even = kernel % 2 == 0
        self.conv = backend.conv1d(
            config.width, config.width, kernel, padding=kernel // 2, groups=config.position_groups
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [1, T, C] to the same shape."""
        y = self.conv(x.transpose(1, 2))
        return gelu(y[..., :-1] if self.even else y).transpose(1, 2)


class _Attention(nn.Module):
    def __init__(self, config: Wav2Vec2Config, *, backend: Backend) -> None:
        super().__init__()
        self.heads, self.kernel = config.heads, backend.attention
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            backend.linear(config.width, config.width) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(self.kernel(q, k, v))


class _FeedForward(nn.Module):
    def __init__(self, config: Wav2Vec2Config, *, backend: Backend) -> None:
        super().__init__()
        self.intermediate_dense = backend.linear(config.width, config.inner)
        self.output_dense = backend.linear(config.inner, config.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.output_dense(gelu(self.intermediate_dense(x)))


class _Layer(nn.Module):
    """Attention and feed-forward, each normalised after its sum."""

    def __init__(self, config: Wav2Vec2Config, *, backend: Backend) -> None:
        super().__init__()
        self.attention = _Attention(config, backend=backend)
        self.layer_norm = backend.layer_norm(config.width)
        self.feed_forward = _FeedForward(config, backend=backend)
        self.final_layer_norm = backend.layer_norm(config.width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_norm(x + self.attention(x))
        return self.final_layer_norm(x + self.feed_forward(x))


class _Encoder(nn.Module):
    """Attention over the whole sound; over pieces that overlap where there are too many states for that."""

    pieces_of = 3000
    """Most states that attend to each other: 60 s at 50 per second."""
    overlap = 250
    """States that neighbouring pieces see of each other."""

    def __init__(self, config: Wav2Vec2Config, *, backend: Backend) -> None:
        super().__init__()
        self.pos_conv_embed = _Positions(config, backend=backend)
        self.layer_norm = backend.layer_norm(config.width)
        self.layers = nn.ModuleList(_Layer(config, backend=backend) for _ in range(config.layers))

    def forward(self, x: Tensor, kept: int | None = None) -> Tensor:
        """Map [1, T, C] to the states [T, 1 + layers, C], or to the last `kept` of them."""
        length = x.shape[1]
        if length <= self.pieces_of:
            return self._run(x, kept)
        step = self.pieces_of - 2 * self.overlap
        pieces = []
        for start in range(0, length, step):
            first, last = max(0, start - self.overlap), min(length, start + step + self.overlap)
            pieces.append(self._run(x[:, first:last], kept)[start - first : start - first + step])
        return torch.cat(pieces)

    def _run(self, x: Tensor, kept: int | None) -> Tensor:
        states = [self.layer_norm(x + self.pos_conv_embed(x))]
        for layer in self.layers:
            states.append(layer(states[-1]))
            if kept is not None:
                del states[:-kept]
        return torch.stack(states, dim=2)[0]


def _count(shapes: Mapping[str, Shape], template: str) -> int:
    return next(number for number in count() if template.format(number) not in shapes)
