"""Which parts of a tracked stretch are clips, and why the others are not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ...face.detector import Layout
from ...face.head_pose import angles, places, rotation_speed, rotations
from .settings import Rejected, Settings
from .sync import Sync, loudness, measure_sync
from .tracks import Track


@dataclass(frozen=True)
class Run:
    """Frames first .. last - 1 of a track, with the state that they share."""

    first: int
    last: int
    state: str


@dataclass(frozen=True)
class Measures:
    """What is known of a clip's face. Lengths in px of the source."""

    boxes: np.ndarray
    """float64 [F, 4]."""
    pose: np.ndarray
    """Yaw, pitch, roll in degrees and x, y, z in cm, float64 [F, 6]."""
    speed: np.ndarray
    """Degrees per frame, float64 [F]."""
    mouth: np.ndarray
    """Middle of the lips, float64 [F, 2]."""
    mouth_open: np.ndarray
    """float64 [F]."""
    quality: dict[str, float]

    @property
    def height(self) -> float:
        """Median height of the face."""
        return float(np.median(self.boxes[:, 3] - self.boxes[:, 1]))


def runs(track: Track, settings: Settings) -> list[Run]:
    """Stretches with one steady face, as long as they may be, and what lies between."""
    found: list[Run] = []
    start = 0
    for good, group in groupby(track.states, key=lambda state: state == ""):
        states = list(group)
        stop = start + len(states)
        found.append(Run(start, stop, "" if good else Counter(states).most_common(1)[0][0]))
        start = stop
    least = round(settings.shortest * settings.fps)
    return [run if run.state or run.last - run.first >= least else _short(run, settings) for run in found]


def _short(run: Run, settings: Settings) -> Run:
    return Run(run.first, run.last, "short")


def measure(track: Track, layout: Layout, fps: float) -> Measures:
    """The measures of frames that all have their face."""
    points = np.stack(track.points).astype(np.float64)  # [F, L, 3]
    turns = rotations(points, layout, fps)
    lips = points[:, list(layout.lips)]
    flat = points[..., :2]
    patches = np.array(track.patches)
    boxes = np.concatenate([flat.min(1), flat.max(1)], axis=1)
    quality = {
        "face": float(np.median(boxes[:, 3] - boxes[:, 1])),
        "face_score": float(np.mean(track.scores)),
        "sharpness": float(np.median(patches[:, 0])),
        "brightness": float(np.mean(patches[:, 1])),
        "change": float(np.mean(patches[1:, 2])) if len(patches) > 1 else 0.0,
    }
    return Measures(
        boxes=boxes,
        pose=np.concatenate([angles(turns), places(points, layout, track.size)], axis=1),
        speed=rotation_speed(turns),
        mouth=lips[..., :2].mean(1),
        mouth_open=np.linalg.norm(lips[:, 1] - lips[:, 0], axis=-1),
        quality=quality,
    )


def crop_square(measures: Measures, size: tuple[int, int], settings: Settings) -> np.ndarray | Rejected:
    """The square x0, y0, x1, y1 (whole px) that holds the face through the clip, inside a picture of `size`."""
    boxes = measures.boxes
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    if (low < 0).any() or (high > np.array(size)).any():
        return Rejected(
            "leaves the picture", f"face reaches {_list(low)} to {_list(high)} of {size[0]} x {size[1]}"
        )
    wanted = max(settings.expand * measures.height, 1.15 * float((high - low).max()))
    side = int(min(wanted, *size))
    if side < float((high - low).max()):
        return Rejected("wanders", f"the face needs {(high - low).max():.0f} px, the picture has {min(size)}")
    if side < settings.smallest_crop:
        return Rejected("small", f"the crop is {side} px, want {settings.smallest_crop}")
    middle = (low + high) / 2 - (0, 0.1 * measures.height)  # more room for hair than for the neck
    corner = np.clip(np.round(middle - side / 2), 0, np.array(size) - side).astype(int)
    return np.concatenate([corner, corner + side])


def judge_picture(measures: Measures, settings: Settings) -> Rejected | None:
    """What speaks against the pictures of a clip, if anything does."""
    quality = measures.quality
    yaw, pitch = np.quantile(np.abs(measures.pose[:, :2]), 0.9, axis=0)
    if yaw > settings.yaw or pitch > settings.pitch:
        return Rejected(
            "turned away", f"yaw {yaw:.0f}, pitch {pitch:.0f}, want {settings.yaw:g}, {settings.pitch:g}"
        )
    if not settings.darkest <= quality["brightness"] <= settings.brightest:
        limits = f"{settings.darkest:g} to {settings.brightest:g}"
        return Rejected("exposure", f"brightness {quality['brightness']:.0f}, want {limits}")
    if quality["sharpness"] < settings.sharpness:
        return Rejected("blurred", f"sharpness {quality['sharpness']:.1f}, want {settings.sharpness:g}")
    if quality["change"] < settings.stillness:
        return Rejected("still", f"change {quality['change']:.3f} per frame, want {settings.stillness:g}")
    return None


def judge_sound(
    measures: Measures, samples: np.ndarray, settings: Settings
) -> tuple[Sync | None, Rejected | None]:
    """How mouth and sound fit, and what speaks against the sound, if anything does."""
    level = 20 * np.log10(max(float(np.sqrt(np.mean(np.square(samples)))), 1e-6))
    if level < settings.silence:
        return None, Rejected("silent", f"{level:.0f} dB, want {settings.silence:g} dB")
    frames = len(measures.boxes)
    sound = loudness(samples, settings.sample_rate, frames, settings.fps)
    sync = measure_sync(measures.mouth_open / measures.height, sound, settings.fps)
    if settings.correlation and sync.correlation < settings.correlation:
        text = f"mouth and loudness correlate by {sync.correlation:.2f}, want {settings.correlation:g}"
        return sync, Rejected("other voice", text)
    if settings.correlation and abs(sync.lag) > settings.lag:
        return sync, Rejected(
            "out of sync", f"the mouth is {sync.lag} frames late, want {settings.lag} at most"
        )
    return sync, None


def _list(point: np.ndarray) -> str:
    return ", ".join(f"{value:.0f}" for value in point)
