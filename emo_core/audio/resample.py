"""Change of the sample rate with PyTorch alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

ZEROS = 6
"""Zero crossings of the sinc on either side; like `ROLLOFF` as in torchaudio, which V-Express uses."""
ROLLOFF = 0.99


def resample(waveform: Tensor, rate: int, new_rate: int) -> Tensor:
    """Sound [..., S] at `rate` Hz to [..., ceil(S new_rate / rate)] at `new_rate` Hz: sinc, Hann window."""
    if rate <= 0 or new_rate <= 0:
        raise ValueError(f"sample rates must be positive, got {rate} and {new_rate} Hz")
    if rate == new_rate:
        return waveform
    common = math.gcd(rate, new_rate)
    step, phases = rate // common, new_rate // common
    kernels, width = _kernels(step, phases)
    flat = waveform.reshape(-1, waveform.shape[-1]).float()
    padded = pad(flat, (width, width + step))
    out = conv1d(padded[:, None], kernels.to(flat)[:, None], stride=step)  # [N, phases, T]
    out = out.transpose(1, 2).flatten(1)[:, : math.ceil(waveform.shape[-1] * phases / step)]
    return out.reshape(*waveform.shape[:-1], -1).to(waveform.dtype)


def _kernels(step: int, phases: int) -> tuple[Tensor, int]:
    """One low-pass [phases, 2 width + step] per output phase, and how far it reaches back, in samples."""
    cutoff = min(step, phases) * ROLLOFF
    width = math.ceil(ZEROS * step / cutoff)
    time = torch.arange(-width, width + step, dtype=torch.float64) / step
    time = time - torch.arange(phases, dtype=torch.float64)[:, None] / phases
    time = (time * cutoff).clamp(-ZEROS, ZEROS)
    window = torch.cos(time * math.pi / ZEROS / 2).square()
    return torch.sinc(time) * window * cutoff / step, width
