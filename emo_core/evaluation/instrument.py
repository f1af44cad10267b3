"""A small network that measures frames of the synthetic world: mouth, eyes, brows, pose, head box, identity.

It finds landmarks on the whole frame, cuts out mouth, eyes and head upright and at one size, and reads them beside a
reference picture of the person. It judges generated frames, so it is trained on frames that went through the VAE and
its errors are published first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, interpolate, normalize, silu

BUILT_IN = Path(__file__).parents[1] / "assets" / "instrument.safetensors"
SIZE = 128
"""Side of the frames it reads, px; others are resized."""
MEASURES = ("open", "width", "round", "smile", "blink", "brow", "yaw", "pitch", "roll")
"""What it reads, in the units of `training.synthetic.types.FaceState`."""
SPREAD = (0.25, 0.35, 0.3, 0.2, 0.3, 0.3, 12.0, 8.0, 7.0)
"""Typical standard deviation of each measure: the networks' outputs are in these units."""
LANDMARKS = 12
EMBEDDING = 64
"""Width of the identity vector."""
LEFT_EYE, RIGHT_EYE, NOSE, MOUTH = 0, 1, 2, slice(3, 7)


@dataclass(frozen=True)
class Readings:
    """Measures of F frames; pixels are those of the frames that were handed in."""

    tracks: np.ndarray
    """float32 [F, 9], columns `MEASURES`."""
    lids: np.ndarray
    """float32 [F, 2]: the left and the right eye, 0 open .. 1 closed."""
    landmarks: np.ndarray
    """float32 [F, 12, 2], in the order of `training.synthetic.types.Truth`."""
    boxes: np.ndarray
    """float32 [F, 4]: head box x0, y0, x1, y1."""
    identity: np.ndarray
    """float32 [F, 64] of length 1: nearly equal for pictures of one person."""

    def track(self, name: str) -> np.ndarray:
        """One of `MEASURES` [F]."""
        return self.tracks[:, MEASURES.index(name)]


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.norm = nn.GroupNorm(4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return silu(self.norm(self.conv(x)))


def _tower(widths: tuple[int, ...], strides: tuple[int, ...]) -> nn.Sequential:
    pairs = zip(widths, widths[1:], strides, strict=False)
    return nn.Sequential(*(_Block(a, b, stride) for a, b, stride in pairs))


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


class Locator(nn.Module):
    """Landmarks, head box and pose from the whole frame."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = _tower((3, 16, 32, 32), (2, 2, 1))  # to 32x32
        self.middle = _tower((32, 64, 64), (2, 1))  # to 16x16
        self.coarse = _tower((64, 96, 96), (2, 1))  # to 8x8
        self.from_coarse, self.from_middle = nn.Conv2d(96, 64, 1), nn.Conv2d(64, 32, 1)
        self.mixed, self.heat = _Block(32, 32), nn.Conv2d(32, LANDMARKS, 1)
        self.squeeze = nn.Conv2d(96, 8, 1)
        self.pose = _mlp(8 * 64 + 2 * LANDMARKS, 128, 3 + 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Frames [N, 3, 128, 128] to landmarks [N, 12, 2] and box [N, 4] in 0..1, pose [N, 3] in `SPREAD`."""
        fine = self.fine(x)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        mixed = middle + interpolate(self.from_coarse(coarse), scale_factor=2.0)
        mixed = self.mixed(fine + interpolate(self.from_middle(mixed), scale_factor=2.0))
        points = _centres(self.heat(mixed).float())
        seen = torch.cat([self.squeeze(coarse).flatten(1).float(), (4 * points - 2).flatten(1)], 1)
        out = self.pose(seen).float()
        low, high = points.amin(1), points.amax(1)  # the box as what reaches beyond the landmarks
        box = torch.cat([low, high], 1) + 0.1 * out[:, 3:]
        return points, box, out[:, :3]


def _centres(heat: Tensor) -> Tensor:
    """Mean places [N, K, 2] (x, y in 0..1) of softmax maps [N, K, h, w]."""
    count, maps, height, width = heat.shape
    share = heat.flatten(2).softmax(-1).view(count, maps, height, width)
    x = (torch.arange(width, device=heat.device) + 0.5) / width
    y = (torch.arange(height, device=heat.device) + 0.5) / height
    return torch.stack([(share.sum(2) * x).sum(-1), (share.sum(3) * y).sum(-1)], -1)


class Sight(NamedTuple):
    """What was seen in N pictures, before it is read."""

    mouth: Tensor
    """[N, 1536]."""
    eyes: Tensor
    """[N, 2, 1152]: the left one, and the right one mirrored."""
    face: Tensor
    """[N, 1152]."""
    upright: Tensor
    """[N, 24]: landmarks from the nose, turned upright, in head heights."""
    pose: Tensor
    """[N, 3] in `SPREAD`, the locator's first guess."""
    identity: Tensor
    """[N, 64], length 1."""

    def repeated(self, times: int) -> Sight:
        """Each picture `times` times in a row."""
        return Sight(*(part.repeat_interleave(times, 0) for part in self))


class Parts(nn.Module):
    """Mouth, eyes, pose and identity from upright patches around landmarks.

    All but identity is read beside a reference of the same person: how wide a mouth or how high a brow is at rest
    cannot be seen in one picture.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mouth = _tower((3, 24, 48, 64, 96), (1, 2, 2, 2))  # 32x32 to 4x4
        self.eye = _tower((3, 24, 48, 64, 32), (1, 2, 2, 1))  # 24x24 to 6x6
        self.face = _tower((3, 16, 32, 64, 96), (2, 2, 2, 1))  # 96x96 to 12x12
        self.squeeze = nn.Conv2d(96, 8, 1)
        self.read_mouth = _mlp(2 * (96 * 16 + 2 * LANDMARKS + 3), 128, 4)
        self.read_lid = _mlp(2 * (32 * 36 + 3), 48, 1)
        self.read_brow = _mlp(2 * (2 * 32 * 36 + 2 * LANDMARKS + 3), 64, 1)
        self.read_pose = _mlp(2 * (8 * 144 + 2 * LANDMARKS + 3), 128, 3)
        self.read_identity = _mlp(96 * 16, 128, EMBEDDING)

    def look(self, x: Tensor, points: Tensor, box: Tensor, pose: Tensor) -> Sight:
        """Frames [N, 3, 128, 128] and what `Locator` found in them."""
        side = (box[:, 3] - box[:, 1]).clamp(0.1, 1.5)
        eyes = points[:, RIGHT_EYE] - points[:, LEFT_EYE]
        angle = torch.atan2(eyes[:, 1], eyes[:, 0].clamp_min(0.02))
        mouth = patch(x, points[:, MOUTH].mean(1), 0.46 * side, angle, 32)
        left = patch(x, points[:, LEFT_EYE], 0.34 * side, angle, 24)
        right = patch(x, points[:, RIGHT_EYE], 0.34 * side, angle, 24).flip(-1)  # one network for both
        seen = self.eye(torch.cat([left, right])).flatten(1)
        face = self.face(patch(x, (box[:, :2] + box[:, 2:]) / 2, 1.3 * side, angle, 96))
        who = self.read_identity(interpolate(face, size=4, mode="area").flatten(1))
        return Sight(
            self.mouth(mouth).flatten(1),
            torch.stack(seen.chunk(2), 1),
            self.squeeze(face).flatten(1),
            _upright(points, side, angle),
            pose,
            normalize(who.float(), dim=1),
        )

    def read(self, sight: Sight, reference: Sight) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mouth [N, 4], lids [N, 2], brow [N, 1] and pose [N, 3] in `SPREAD`, beside a reference of each picture."""
        both = (sight, reference)
        mouth = self.read_mouth(torch.cat([part for s in both for part in (s.mouth, s.upright, s.pose)], 1))
        brow = self.read_brow(torch.cat([part for s in both for part in (s.eyes.flatten(1), s.upright, s.pose)], 1))
        turn = self.read_pose(torch.cat([part for s in both for part in (s.face, s.upright, s.pose)], 1))
        mirror = sight.pose.new_tensor((-1.0, 1.0, -1.0))
        lids = [
            self.read_lid(torch.cat([part for s in both for part in (s.eyes[:, eye], s.pose * sign)], 1))
            for eye, sign in enumerate((torch.ones_like(mirror), mirror))
        ]
        return mouth.float(), torch.cat(lids, 1).float(), brow.float(), sight.pose + turn.float()


def patch(x: Tensor, middle: Tensor, side: Tensor, angle: Tensor, size: int) -> Tensor:
    """Square patches [N, 3, size, size] of frames [N, 3, H, W]; middle [N, 2] and side [N] in 0..1, angle in rad."""
    cos, sin = side * angle.cos(), side * angle.sin()
    place = 2 * middle - 1
    rows = [torch.stack([cos, -sin, place[:, 0]], 1), torch.stack([sin, cos, place[:, 1]], 1)]
    grid = affine_grid(torch.stack(rows, 1), [len(x), 3, size, size], align_corners=False)
    return grid_sample(x, grid.to(x.dtype), padding_mode="border", align_corners=False)


def _upright(points: Tensor, side: Tensor, angle: Tensor) -> Tensor:
    """Landmarks [N, 24] from the nose, turned upright, in head heights."""
    away = (points - points[:, NOSE, None]) / side[:, None, None]
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    x, y = away[..., 0], away[..., 1]
    return 4 * torch.cat([cos * x + sin * y, cos * y - sin * x], 1)


class Instrument(nn.Module):
    """Locator and parts together."""

    def __init__(self) -> None:
        super().__init__()
        self.locator, self.parts = Locator(), Parts()

    @staticmethod
    def open(path: Path = BUILT_IN) -> Instrument:
        """Read the trained instrument; FileNotFoundError says how to make one."""
        from safetensors.torch import load_file

        if not path.is_file():
            raise FileNotFoundError(
                f"no instrument in {path}; `python -m emo_core evaluate train-instrument`"
            )
        model = Instrument()
        model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
        return model.eval().requires_grad_(False)

    @torch.inference_mode()
    def measure(self, frames: np.ndarray, reference: np.ndarray | None = None, batch: int = 50) -> Readings:
        """Read frames uint8 [F, H, W, 3], square, RGB, of one person.

        reference [H, W, 3]: a picture of the person, best at rest; without one the first frame.
        """
        pictures = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2)
        first = torch.from_numpy(np.array(frames[0] if reference is None else reference)).permute(2, 0, 1)
        known = self._look(first[None])[0]
        made = [self._measure(part, known) for part in pictures.split(batch)]
        tracks, lids, points, boxes, identity = (
            torch.cat(parts).numpy() for parts in zip(*made, strict=True)
        )
        side = frames.shape[1]
        return Readings(tracks, lids, points * side, boxes * side, identity)

    def _look(self, pictures: Tensor) -> tuple[Sight, Tensor, Tensor]:
        x = pictures.float() / 127.5 - 1
        if x.shape[-1] != SIZE:
            x = interpolate(x, size=(SIZE, SIZE), mode="area")
        points, box, pose = self.locator(x)
        return self.parts.look(x, points, box, pose), points, box

    def _measure(self, pictures: Tensor, reference: Sight) -> tuple[Tensor, ...]:
        sight, points, box = self._look(pictures)
        mouth, lids, brow, pose = self.parts.read(sight, reference.repeated(len(pictures)))
        spread = pose.new_tensor(SPREAD)
        tracks = torch.cat([mouth, lids.mean(1, keepdim=True), brow, pose], 1) * spread
        return tracks, lids * spread[4], points, box, sight.identity
