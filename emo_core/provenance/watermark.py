"""An invisible mark: weak waves over the whole frame, whose phases are drawn from a key.

The waves are counted per frame, not per pixel, so scaling a video does not move them. They stand still, since
video codecs keep what stands still, and lie in the middle of the spectrum: finer ones die in the codec, coarser
ones drown in the picture. The key is public: the mark says where a video comes from, it is no lock.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

GRID = 128
"""Side of the square that every frame is looked at in."""
LONGEST = 5
"""Cycles per frame of the longest waves."""
SHORTEST = (32, 48)
"""Cycles per frame below which the waves of small and of large frames stay: half of a 128-pixel frame has 32."""
FAINTNESS = (37.0, 40.0)
"""Peak signal-to-noise ratio in dB for small and for large frames: codecs take more from small ones."""
LARGE = 256
"""Pixels of the shorter side from which on a frame is large."""
KEY = b"EMO watermark 1"
CHUNK = 32  # frames worked on at once
LUMA = (0.299, 0.587, 0.114)
QUIET = 1 / 255  # local contrast that a flat area counts as
MASKING = 0.15  # how much stronger the mark gets where the picture is busy


@dataclass(frozen=True)
class Waves:
    """The waves of the mark."""

    down: Tensor
    """[N] whole cycles per frame from top to bottom."""
    across: Tensor
    """[N] whole cycles per frame from left to right, never negative: the other half plane is the mirror."""
    phases: Tensor
    """[N] radians at the frame's top left corner."""

    @staticmethod
    def of(shortest: int, key: bytes = KEY) -> Waves:
        """The waves of less than `shortest` cycles. A wave's phase does not depend on which others are there."""
        reach = max(SHORTEST)
        sides = torch.arange(-reach, reach + 1), torch.arange(reach + 1)
        down, across = (axis.double() for axis in torch.meshgrid(*sides, indexing="ij"))
        cycles = torch.hypot(down, across)
        chosen = (cycles >= LONGEST) & (cycles < shortest) & ((across > 0) | (down > 0))
        drawn = torch.frombuffer(
            bytearray(hashlib.shake_256(key).digest(2 * down.numel())), dtype=torch.uint8
        )
        low, high = drawn.view(*down.shape, 2).double().unbind(-1)
        phases = (low + 256 * high) * (2 * math.pi / 65536)
        return Waves(down[chosen], across[chosen], phases[chosen])

    def pattern(self, height: int, width: int) -> Tensor:
        """Their sum over a frame, [H, W]."""
        reach = int(self.across.max())
        table = torch.zeros(2 * reach + 1, reach + 1, dtype=torch.complex128)
        table[self.down.long() + reach, self.across.long()] = turns(self.phases)
        rows = _courses(height, torch.arange(-reach, reach + 1))
        return (rows @ table @ _courses(width, torch.arange(reach + 1)).T).real.float()

    def agreement(self, picture: Tensor) -> Tensor:
        """Complex numbers [N] of size 1: how far each wave of a picture [GRID, GRID] is turned against the key's."""
        spectrum = torch.fft.rfft2(picture.double())[self.down.long() % GRID, self.across.long()]
        half_pixel = math.pi * (self.down + self.across) / GRID  # waves are counted from the frame's corner
        return turns(spectrum.angle() - half_pixel - self.phases)


class Watermark:
    """Marks frames so that the difference has a peak signal-to-noise ratio of `psnr` dB; 0 is `FAINTNESS`."""

    def __init__(self, psnr: float = 0.0) -> None:
        self._psnr = psnr
        self._pattern = torch.empty(0, 0)

    def mark(self, pictures: Tensor) -> Tensor:
        """Marked pictures of pictures [F, H, W, 3] in 0..1."""
        if pictures.ndim != 4 or pictures.shape[-1] != 3:
            raise ValueError(
                f"pictures have shape {tuple(pictures.shape)}, want [frames, height, width, 3]: RGB"
            )
        return torch.cat([self._marked(part) for part in pictures.split(CHUNK)])

    def _marked(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[1:3]
        if self._pattern.shape != (height, width):
            waves = Waves.of(SHORTEST[min(height, width) >= LARGE])
            self._pattern = waves.pattern(height, width).to(pictures.device)
        added = self._pattern * room(pictures)
        psnr = self._psnr or FAINTNESS[min(height, width) >= LARGE]
        added *= 10 ** (-psnr / 20) / added.square().mean((1, 2), keepdim=True).sqrt()
        return (pictures + added[..., None].to(pictures.dtype)).clamp(0, 1)


def room(pictures: Tensor) -> Tensor:
    """How much stronger a mark may be at each point [F, H, W] of pictures [F, H, W, 3] without being seen."""
    small = brightness(pictures)
    contrast = blurred((small - blurred(small, 2.0)).square(), 4.0).clamp(min=0).sqrt()
    return interpolate((QUIET + contrast) ** MASKING, pictures.shape[1:3], mode="bilinear")[:, 0]


def brightness(pictures: Tensor) -> Tensor:
    """Luma of pictures [F, H, W, 3] on the grid, [F, 1, GRID, GRID]."""
    luma = (pictures.float() * pictures.new_tensor(LUMA, dtype=torch.float32)).sum(-1)[:, None]
    return interpolate(luma, (GRID, GRID), mode="bilinear", antialias=True)


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Pictures [F, 1, H, W] under a Gaussian of `sigma` pixels."""
    reach = math.ceil(3 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=pictures.device) / sigma) ** 2)
    weights = weights / weights.sum()
    padded = pad(pictures, (reach,) * 4, mode="reflect")
    return conv2d(conv2d(padded, weights[None, None, None]), weights[None, None, :, None])


def turns(angles: Tensor) -> Tensor:
    """Complex numbers of size 1 with these angles."""
    return torch.polar(torch.ones_like(angles), angles)


def _courses(size: int, cycles: Tensor) -> Tensor:
    """e^(i 2π c x) at the middles of `size` pixels, [size, C]."""
    places = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    return turns(2 * math.pi * places[:, None] * cycles)
