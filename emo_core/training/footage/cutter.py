"""All clips of one video, and all that is not a clip with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import torch

from ...face.detector import FaceDetector
from ...media.video import VideoWriter
from ...optional import need
from .clips import Measures, Run, crop_square, judge_picture, judge_sound, measure, runs
from .extras import BATCH, Extras
from .scenes import Span, cut_scenes, find_scenes
from .settings import FORMAT, Rejected, Settings
from .shards import encode_part
from .tracks import Track, follow_face
from .videos import Video


@dataclass(frozen=True)
class Outcome:
    """What became of one stretch of a video."""

    source: str
    start: float
    end: float
    rejected: Rejected | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    """Of an accepted clip, by extension; "json" is among them."""

    @property
    def key(self) -> str:
        """Name of the clip, without dots, the same whenever the same video is cut the same way."""
        return f"{hashlib.sha256(self.source.encode()).hexdigest()[:12]}-{round(self.start * 1000):08d}"

    def line(self) -> dict[str, Any]:
        """The clip's line in the manifest."""
        row: dict[str, Any] = {
            "source": self.source,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
        }
        if self.rejected is None:
            return {**row, "accepted": True, "key": self.key}
        return {**row, "accepted": False, "reason": self.rejected.reason, "detail": self.rejected.detail}


class Cutter:
    """Cuts videos one after the other with one detector."""

    def __init__(self, settings: Settings, detector: FaceDetector, extras: Extras) -> None:
        self.settings, self.detector, self.extras = settings, detector, extras

    def outcomes(self, url: str, name: str) -> Iterator[Outcome]:
        """Every stretch of a video, in order; a file that cannot be read is one stretch of no length."""
        try:
            with Video(url) as video:
                if not video.has_sound:
                    yield Outcome(name, 0.0, 0.0, Rejected("no sound", "the file has no audio track"))
                    return
                for piece in cut_scenes(find_scenes(video), self.settings):
                    if isinstance(piece, tuple):
                        yield Outcome(name, piece[0].start, piece[0].end, piece[1])
                    else:
                        yield from self._piece(video, name, piece)
        except (av.FFmpegError, ValueError, OSError) as error:
            yield Outcome(
                name, 0.0, 0.0, Rejected("unreadable", getattr(error, "strerror", None) or str(error))
            )

    def _piece(self, video: Video, name: str, piece: Span) -> Iterator[Outcome]:
        fps = self.settings.fps
        frames = int((piece.end - piece.start) * fps + 0.05)  # time stamps may be whole ms
        track = follow_face(video.pictures(piece.start, frames, fps), self.detector)
        for run in runs(track, self.settings):
            start, end = piece.start + run.first / fps, piece.start + run.last / fps
            verdict = self._clip(video, track, run, start)
            if isinstance(verdict, Rejected):
                yield Outcome(name, start, end, verdict)
            else:
                verdict["json"].update(source=name, start=round(start, 4), end=round(end, 4))
                files = {extension: encode_part(extension, part) for extension, part in verdict.items()}
                yield Outcome(name, start, end, files=files)

    def _clip(self, video: Video, track: Track, run: Run, start: float) -> dict[str, Any] | Rejected:
        """The parts of a clip by extension, or why it is none; what is cheap to find out comes first."""
        fps, frames = self.settings.fps, run.last - run.first
        if run.state:
            return Rejected(run.state, f"{frames} frames")
        if any(start <= time < start + frames / fps for time in video.damage):
            return Rejected("damaged", "the file cannot be decoded here")
        measures = measure(track.part(run.first, run.last), self.detector.layout, fps)
        square = crop_square(measures, track.size, self.settings)
        if isinstance(square, Rejected):
            return square
        samples = video.sound(start, frames / fps, self.settings.sample_rate)
        sync, loud = judge_sound(measures, samples, self.settings)
        verdict = judge_picture(measures, self.settings) or loud
        if verdict is not None:
            return verdict
        meta = describe(measures, square, track.size, self.settings)
        if sync is not None:
            meta["sync"] = {"lag": sync.lag, "correlation": round(sync.correlation, 4)}
        parts = self._pictures(video, square, start, frames)
        states = self.extras.states(samples, frames, fps)
        if states is not None:
            parts["states.npy"] = states
        return {**parts, "flac": (samples, self.settings.sample_rate), "json": meta}

    def _pictures(self, video: Video, square: np.ndarray, start: float, frames: int) -> dict[str, Any]:
        """The crop as mp4, and its latents; a batch of pictures in memory at a time."""
        cv2 = need("cv2", "opencv-python-headless")
        size, fps = self.settings.size, self.settings.fps
        x0, y0, x1, y1 = square
        way = cv2.INTER_AREA if x1 - x0 >= size else cv2.INTER_CUBIC
        latents: list[np.ndarray] = []
        batch: list[np.ndarray] = []
        with TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            with VideoWriter(path, fps) as writer:
                for number, picture in enumerate(video.pictures(start, frames, fps)):
                    part = np.ascontiguousarray(picture[y0:y1, x0:x1])
                    batch.append(cv2.resize(part, (size, size), interpolation=way))
                    if len(batch) == BATCH or number == frames - 1:
                        writer.write(torch.from_numpy(np.stack(batch)).float() / 255)
                        if self.extras.has_vae:
                            latents.append(self.extras.latents(batch))
                        batch = []
            parts: dict[str, Any] = {"mp4": path.read_bytes()}
        if latents:
            parts["latents.npy"] = np.concatenate(latents)
        return parts


def describe(
    measures: Measures, square: np.ndarray, size: tuple[int, int], settings: Settings
) -> dict[str, Any]:
    """`KEY.json` without what only the video knows; lengths from px of the source to px of the clip."""
    scale = settings.size / float(square[2] - square[0])
    corner = square[:2].astype(np.float64)

    def rows(values: np.ndarray, digits: int) -> list[Any]:
        return np.round(values, digits).tolist()

    return {
        "format": FORMAT,
        "source": "",
        "start": 0.0,
        "end": 0.0,
        "fps": settings.fps,
        "frames": len(measures.boxes),
        "size": settings.size,
        "sample_rate": settings.sample_rate,
        "source_size": list(size),
        "crop": square.tolist(),
        "boxes": rows((measures.boxes - np.tile(corner, 2)) * scale, 1),
        "pose": rows(measures.pose, 3),
        "speed": rows(measures.speed, 4),
        "mouth": rows((measures.mouth - corner) * scale, 1),
        "mouth_open": rows(measures.mouth_open * scale, 2),
        "quality": {name: round(value, 4) for name, value in measures.quality.items()},
        "sync": None,
    }
