"""Hallo's three regions of a portrait: face and lip rectangles from landmarks, blurred, at four sizes.

Pixels are whole numbers 0..255 and are those of the published code, which draws and blurs with OpenCV; its
integer arithmetic is repeated here so that OpenCV is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SIZE = 64
"""Masks are blurred at this size whatever the picture's."""
FACE_EXPAND, LIP_EXPAND = 1.2, 2.0
FACE_KERNEL, LIP_KERNEL = 51, 31
"""Blur kernels, px at `SIZE`."""
LEVELS = 4

# mediapipe's face mesh: the outline of the face and the outer edge of the lips
OUTLINE = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377)
OUTLINE += (152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375)


@dataclass(frozen=True)
class RegionMasks:
    """Blurred regions [64, 64], uint8: where pose, expression and lip attention act."""

    full: np.ndarray
    face: np.ndarray
    lip: np.ndarray

    def levels(self, height: int, width: int) -> tuple[Tensor, ...]:
        """Masks [3, L] (full, face, lip) in 0..1 for a picture of that size, finest level first."""
        masks = []
        for level in range(LEVELS):
            size = (width // (8 << level), height // (8 << level))
            resized = [_resize(mask, size).reshape(-1) for mask in (self.full, self.face, self.lip)]
            masks.append(torch.from_numpy(np.stack(resized)).float() / 255)
        return tuple(masks)


def landmark_rectangle(landmarks: np.ndarray, height: int, width: int, *, lips: bool = False) -> np.ndarray:
    """Rectangle [H, W] of 0 and 255 around the face (or the lips) of landmarks [478, 2] (x, y in px)."""
    points = np.take(landmarks, LIPS if lips else OUTLINE, 0)
    low, high = np.round(points.min(0)), np.round(points.max(0))
    expand = LIP_EXPAND if lips else FACE_EXPAND
    left, right = _expanded(low[0], high[0], width, expand)
    top, bottom = _expanded(low[1], high[1], height, expand)
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def region_masks(face: np.ndarray, lip: np.ndarray) -> RegionMasks:
    """The three regions from a face and a lip mask [H, W], uint8."""
    blurred_face, blurred_lip = blur(face, FACE_KERNEL), blur(lip, LIP_KERNEL)
    # in double precision and cut off, as published
    full = ((1.0 - blurred_face / 255.0) * 255).astype(np.uint8)
    return RegionMasks(full, blurred_face - np.minimum(blurred_face, blurred_lip), blurred_lip)


def locator_picture(face: np.ndarray, height: int, width: int) -> Tensor:
    """The face mask [H, W], uint8, as the Face Locator sees it: [1, 1, height, width] in 0..1."""
    return torch.from_numpy(_resize(face, (width, height))).float()[None, None] / 255


def blur(mask: np.ndarray, kernel: int) -> np.ndarray:
    """A mask [H, W], uint8, at `SIZE`, blurred and stretched to 0..255."""
    small = _shrink(mask)
    weights = _gaussian(kernel)
    reach = kernel // 2
    rows = np.pad(small.astype(np.int64), ((0, 0), (reach, reach)), mode="reflect")
    rows = sum(weight * rows[:, i : i + SIZE] for i, weight in enumerate(weights))
    columns = np.pad(rows, ((reach, reach), (0, 0)), mode="reflect")
    total = sum((weight * columns[i : i + SIZE] for i, weight in enumerate(weights)), np.int64(0))
    blurred = (total + (1 << 15)) >> 16
    low, high = int(blurred.min()), int(blurred.max())
    scale = 255.0 / (high - low) if high > low else 0.0
    stretched = blurred * float(np.float32(scale)) + float(np.float32(-low * scale))
    return np.rint(stretched.astype(np.float32)).clip(0, 255).astype(np.uint8)


def _gaussian(kernel: int) -> list[int]:
    """A bell of whole 1/256 that sums to 256; rounding errors are carried towards the middle."""
    sigma = 0.15 * kernel + 0.35
    bell = np.exp(-((np.arange(kernel) - kernel // 2) ** 2) / (2 * sigma**2))
    bell = bell / bell.sum() * 256
    half, error = [], 0.0
    for value in bell[: kernel // 2]:
        half.append(int(np.rint(value + error)))
        error += value - half[-1]
    return [*half, 256 - 2 * sum(half), *reversed(half)]


def _shrink(mask: np.ndarray) -> np.ndarray:
    """Bilinear without antialiasing, in steps of 1/2048, as OpenCV resizes bytes."""
    height, width = mask.shape
    rows, row_shares = _places(height)
    columns, column_shares = _places(width)
    right = np.minimum(columns + 1, width - 1)
    below = np.minimum(rows + 1, height - 1)
    pixels = mask.astype(np.int64)
    lines = pixels[:, columns] * (2048 - column_shares) + pixels[:, right] * column_shares
    upper, lower = lines[rows] >> 4, lines[below] >> 4
    weight = row_shares[:, None]
    return (((upper * (2048 - weight)) >> 16) + ((lower * weight) >> 16) + 2 >> 2).astype(np.uint8)


def _places(length: int) -> tuple[np.ndarray, np.ndarray]:
    """The first of two neighbours for each of `SIZE` places, and the share of the second in 1/2048."""
    position = ((np.arange(SIZE) + 0.5) * (length / SIZE) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    share = np.where(first < 0, 0, position - first)
    first = first.clip(0, length - 1)
    return first, np.where(first >= length - 1, 0, np.rint(share * 2048)).astype(np.int64)


def _expanded(low: float, high: float, length: int, ratio: float) -> tuple[int, int]:
    """A span made longer about its middle, pushed back into the picture; floors as published."""
    middle, half = (high + low) // 2, (high - low) * ratio // 2
    low, high = middle - half, middle + half
    if low < 0:
        low, high = 0, high - low
    if high > length:
        low, high = low - (high - length), length
    # a span longer than the picture: published code would index from the other end here
    return max(0, round(low)), round(high)


def _resize(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """To width, height as Pillow does it: bilinear, antialiased."""
    return np.array(Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR))
