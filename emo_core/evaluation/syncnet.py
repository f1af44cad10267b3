"""SyncNet (Chung and Zisserman 2016): how well the mouth fits the sound, and by how much they are apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .faces import cut_out, longer_sides, middles

FPS, RATE = 25, 16000
"""What it was trained on: frames and samples per second."""
WINDOW = 5
"""Frames it sees at once, with 20 rows of MFCC."""
REACH = 15
"""Largest shift that is tried, frames."""
SIZE = 224


def _conv2d(inputs: int, outputs: int, kernel: tuple[int, int], padding: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU()]


def _conv3d(
    inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1, padding: int = 0
) -> list[nn.Module]:
    layer = nn.Conv3d(inputs, outputs, kernel, stride=(1, stride, stride), padding=(0, padding, padding))
    return [layer, nn.BatchNorm3d(outputs), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))


class SyncNet(nn.Module):
    """Two towers into one space of 1024 numbers; the names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_conv2d(1, 64, (3, 3), 1),
            nn.MaxPool2d((1, 1), stride=(1, 1)),
            *_conv2d(64, 192, (3, 3), 1),
            nn.MaxPool2d((3, 3), stride=(1, 2)),
            *_conv2d(192, 384, (3, 3), 1),
            *_conv2d(384, 256, (3, 3), 1),
            *_conv2d(256, 256, (3, 3), 1),
            nn.MaxPool2d((3, 3), stride=(2, 2)),
            *_conv2d(256, 512, (5, 4), 0),
        )
        self.netcnnlip = nn.Sequential(
            *_conv3d(3, 96, (5, 7, 7), 2),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),
            *_conv3d(96, 256, (1, 5, 5), 2, 1),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),
            *_conv3d(256, 512, (1, 6, 6)),
        )
        self.netfcaud, self.netfclip = _head(), _head()

    @staticmethod
    def open(path: Path) -> SyncNet:
        """The published network."""
        model = SyncNet()
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return model.eval().requires_grad_(False)

    @torch.inference_mode()
    def mouths(self, pictures: Tensor) -> Tensor:
        """Features [F - 4, 1024] of faces [F, 3, 224, 224] in 0..255, channels blue, green, red."""
        video = pictures.transpose(0, 1)[None]  # [1, 3, F, H, W]
        parts = []
        for first in range(0, len(pictures) - WINDOW + 1, 16):
            # the first layer is the only one that looks along time: many windows are one longer clip
            last = min(first + 16, len(pictures) - WINDOW + 1)
            maps = self.netcnnlip(video[:, :, first : last + WINDOW - 1])  # [1, 512, windows, 1, 1]
            parts.append(self.netfclip(maps[0, :, :, 0, 0].T))
        return torch.cat(parts)

    @torch.inference_mode()
    def sounds(self, mfcc: Tensor, count: int) -> Tensor:
        """Features [count, 1024] of MFCC [13, T], 100 rows a second, 4 rows apart."""
        windows = mfcc.unfold(1, 20, 4)[:, :count].transpose(0, 1)[:, None]  # [count, 1, 13, 20]
        return torch.cat([self.netfcaud(self.netcnnaud(part).flatten(1)) for part in windows.split(64)])


@dataclass(frozen=True)
class Sync:
    """How well one video is in sync."""

    confidence: float
    """Median distance over all shifts minus the smallest: higher is better (Sync-C)."""
    distance: float
    """Smallest mean distance (Sync-D)."""
    offset: int
    """Frames at 25 fps by which the sound comes after the mouth where they fit best."""


def synchrony(mouths: Tensor, sounds: Tensor, reach: int = REACH) -> Sync:
    """Compare features [T, D] of mouth and sound at every shift within `reach`; outside, the sound is zero."""
    count = len(mouths)
    padded = torch.nn.functional.pad(sounds, (0, 0, reach, reach))
    shifts = [padded[shift : shift + count] for shift in range(2 * reach + 1)]
    means = torch.stack([torch.nn.functional.pairwise_distance(mouths, s).mean() for s in shifts])
    best = int(means.argmin())
    return Sync(float(means.median() - means[best]), float(means[best]), best - reach)


def measure_sync(
    model: SyncNet, frames: np.ndarray, boxes: np.ndarray, fps: float, sound: np.ndarray
) -> Sync:
    """Of a video: frames uint8 [F, H, W, 3], face boxes [F, 4] in px, sound [S] in -1..1 at 16 kHz."""
    from python_speech_features import mfcc

    index = _at_25_fps(len(frames), fps)
    rows = mfcc((sound * 32767).astype(np.int16), RATE).T.astype(np.float32)
    count = min(len(index), len(sound) * FPS // RATE) - WINDOW
    if count < 2 * REACH:
        raise ValueError(
            f"SyncNet needs at least {2 * REACH + WINDOW} frames at 25 fps, got {count + WINDOW}"
        )
    index = index[: count + WINDOW - 1]
    mouths = model.mouths(_faces(frames[index], boxes[index]).flip(1))
    return synchrony(mouths, model.sounds(torch.from_numpy(rows), count))


def _at_25_fps(frames: int, fps: float) -> np.ndarray:
    """Which frame shows at each of the times of 25 fps."""
    count = int(frames / fps * FPS + 1e-6)
    return np.minimum((np.arange(count) + 0.5) * fps / FPS, frames - 1).astype(int)


def _faces(frames: np.ndarray, boxes: np.ndarray) -> Tensor:
    """The published cut: 1.4 times the box, lower by a fifth of it; place and size are medians of 13 frames."""
    from scipy.signal import medfilt

    half = medfilt(longer_sides(boxes) / 2, 13) if len(boxes) >= 13 else longer_sides(boxes) / 2
    centre = np.stack([medfilt(c, 13) if len(c) >= 13 else c for c in middles(boxes).T], axis=1)
    centre = centre + np.stack([np.zeros_like(half), 0.4 * half], axis=1)
    return cut_out(frames, centre, 2 * 1.4 * half, SIZE)
