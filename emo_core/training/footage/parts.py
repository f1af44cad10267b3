"""The work of one worker: the videos of a part, clip by clip, into shards."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...face.detector import FaceDetector
from .cutter import Cutter
from .extras import ExtraFiles, Extras
from .output import Output, Part
from .settings import Settings
from .shards import write_shard
from .videos import video_url

SHARD_BYTES = 256 << 20
"""A shard is closed when it holds as much; so much is in memory at most."""
DETECTOR = "emo_core.face.face_mesh:FaceMesh"


@dataclass(frozen=True)
class Job:
    """What every worker is told: plain values that go to any machine."""

    videos: str
    out: str
    settings: Settings
    extras: ExtraFiles
    detector: str = DETECTOR
    """module:class of a `FaceDetector` that is made without arguments."""

    def identity(self) -> dict[str, Any]:
        """What must be the same for parts to belong together."""
        return {**self.settings.to_dict(), "detector": self.detector, **self.extras.identity()}


class PartWorker:
    """Loads the networks once and prepares parts."""

    def __init__(self, job: Job) -> None:
        self._job, self._output = job, Output(job.out)
        self._cutter = Cutter(job.settings, open_detector(job.detector), Extras(job.extras))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Prepare the part {"name", "videos", "size"}; returns its size and the numbers of clips."""
        part = Part(row["name"], tuple(row["videos"]), int(row["size"]))
        lines = self.prepare(part)
        accepted = sum(line["accepted"] for line in lines)
        return {"size": part.size, "accepted": accepted, "rejected": len(lines) - accepted}

    def prepare(self, part: Part) -> list[dict[str, Any]]:
        """Write the shards of a part, then its manifest; what an interrupted run left is replaced."""
        lines: list[dict[str, Any]] = []
        shards: list[str] = []
        clips: list[tuple[str, dict[str, bytes]]] = []
        size = 0
        for name in part.videos:
            for outcome in self._cutter.outcomes(video_url(self._job.videos, name), name):
                line = outcome.line()
                if outcome.rejected is None:
                    line["shard"] = f"{part.name}-{len(shards):03d}.tar"
                    clips.append((outcome.key, outcome.files))
                    size += sum(len(data) for data in outcome.files.values())
                lines.append(line)
                if size >= SHARD_BYTES:
                    shards.append(self._close(part, len(shards), clips))
                    clips, size = [], 0
        if clips:
            shards.append(self._close(part, len(shards), clips))
        self._output.finish(part, shards, lines)
        return lines

    def _close(self, part: Part, number: int, clips: list[tuple[str, dict[str, bytes]]]) -> str:
        name = f"{part.name}-{number:03d}.tar"
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            write_shard(path, clips)
            self._output.add_shard(name, path)
        return name


def open_detector(name: str) -> FaceDetector:
    """Make the detector "module:class"."""
    if name == DETECTOR:
        from ...face.face_mesh import FaceMesh

        return FaceMesh()
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"detector {name!r} cannot be made ({error}): want module:class") from error
