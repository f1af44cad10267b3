"""Generated videos of held-out clips, measured frame by frame and kept on disk, so that no video is made twice."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..animate import Animator, Wish
from ..evaluation.instrument import BUILT_IN as INSTRUMENT
from ..evaluation.instrument import Instrument, Readings
from ..evaluation.metrics import union_box
from ..media.digest import sha256_of
from ..media.video import Sound
from ..training.synthetic.clip_shards import ClipShards
from ..training.synthetic.rest import at_rest

LOG = logging.getLogger(__name__)
SHOWN = 8
"""Frames of every take that are kept for contact sheets."""
MARGIN = 0.02
"""Room around the region asked for: the middle of what training draws from."""


@dataclass(frozen=True)
class Take:
    """One generated video of F frames, measured."""

    readings: Readings
    jumps: np.ndarray
    """Mean absolute difference of neighbouring frames [F - 1], of 255."""
    shown: np.ndarray
    """uint8 [SHOWN, H, W, 3]: frames at equal distances."""


def shown_frames(count: int) -> np.ndarray:
    """Which of `count` frames are kept."""
    return np.unique(np.linspace(count // 12, count - 1 - count // 12, SHOWN).round().astype(int))


class Studio:
    """A model, the instrument and the clips they are tried on."""

    def __init__(self, model: Path, clips: ClipShards, out: Path, wish: Wish | None = None) -> None:
        """Takes are kept below `out`; a wish's speed and seed are set for each take."""
        self.model, self.clips, self.out = model, clips, out
        self.wish = wish or Wish(margin=MARGIN)
        self.animator, self.instrument = Animator.open(model), Instrument.open()
        self.fps = self.wish.fps or self.animator.config.preset.fps
        self._versions = [sha256_of(model), sha256_of(INSTRUMENT), json.dumps(asdict(clips.plan))]

    def clip_take(
        self, clip: int, *, speed: float | None = -1.0, seconds: float | None = None, elsewhere: bool = False
    ) -> Take:
        """A held-out clip again: its most restful frame as portrait, its sound, the region its heads took.

        speed -1 asks for the clip's own mean speed, None for no speed layers. elsewhere: the portrait is picture 0
        of the identity, whose head is in another place and pose.
        """
        asked = float(self.clips.speed(clip).mean()) if speed == -1.0 else speed
        waveform, rate = self.clips.waveform(clip)
        if seconds is not None:
            waveform = waveform[: round(seconds * rate)]
        return self.take(clip, waveform, rate, asked, elsewhere=elsewhere)

    def take(
        self, clip: int, waveform: np.ndarray, rate: int, speed: float | None, *, elsewhere: bool = False
    ) -> Take:
        """The clip's identity in the clip's region speaks a mono sound [S]; the seed is the clip's number."""
        wish = replace(self.wish, speed=speed, seed=1000 * clip)
        given = [hashlib.sha256(a.tobytes()).hexdigest() for a in (self._picture(clip, elsewhere=elsewhere), waveform)]
        key = [*self._versions, clip, asdict(wish), *given, rate]
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]
        path = self.out / "takes" / f"{name}.npz"
        if not path.is_file():
            sound = Sound(torch.from_numpy(waveform)[None], rate)
            _write(path, self._make(clip, sound, wish, elsewhere=elsewhere))
            LOG.info("clip %d, speed %s, %.1f s: %s", clip, speed, len(waveform) / rate, path.name)
        return _read(path)

    def _make(self, clip: int, sound: Sound, wish: Wish, *, elsewhere: bool) -> Take:
        keep = set(shown_frames(sound.frames(self.fps)).tolist())
        portrait = self._picture(clip, elsewhere=elsewhere)
        parts, steps, shown, last, count = [], [], [], None, 0
        for frames in self.frames(clip, sound, wish, elsewhere=elsewhere):
            parts.append(self.instrument.measure(frames, portrait))
            for frame in frames:
                if last is not None:
                    steps.append(np.abs(frame.astype(np.int16) - last).mean())
                if count in keep:
                    shown.append(frame)
                last, count = frame, count + 1
        return Take(_joined(parts), np.array(steps, np.float32), np.stack(shown))

    def portrait(self, clip: int) -> np.ndarray:
        """The frame of a clip that is nearest to a portrait, uint8 [H, W, 3]."""
        return self.clips.frames(clip)[at_rest(self.clips.tracks(clip))[0]]

    def _picture(self, clip: int, *, elsewhere: bool) -> np.ndarray:
        return np.array(self.clips.portraits(clip)[0] if elsewhere else self.portrait(clip))

    def frames(
        self, clip: int, sound: Sound, wish: Wish, *, elsewhere: bool = False
    ) -> Iterator[np.ndarray]:
        """Frames uint8 [f, H, W, 3] of one clip after another."""
        portrait = torch.from_numpy(self._picture(clip, elsewhere=elsewhere)).float() / 255
        mask = region_mask(union_box(self.clips.boxes(clip)), portrait.shape[0])
        for pictures in self.animator.animate(portrait, sound, wish, mask):
            yield (pictures * 255).round().to(torch.uint8).numpy()


def region_mask(box: np.ndarray, size: int) -> torch.Tensor:
    """A mask [size, size] that is one inside a box (x0, y0, x1, y1 in px)."""
    x0, y0, x1, y1 = np.rint(box).astype(int).clip(0, size)
    mask = torch.zeros(size, size)
    mask[y0:y1, x0:x1] = 1
    return mask


def _joined(parts: list[Readings]) -> Readings:
    names = Readings.__dataclass_fields__
    return Readings(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _write(path: Path, take: Take) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    np.savez(partial, jumps=take.jumps, shown=take.shown, **vars(take.readings))
    os.replace(partial, path)


def _read(path: Path) -> Take:
    with np.load(path) as stored:
        arrays = dict(stored)
    jumps, shown = arrays.pop("jumps"), arrays.pop("shown")
    return Take(Readings(**arrays), jumps, shown)
