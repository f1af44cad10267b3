"""The prepared folder: what is planned, what is done. It may lie on any file system that fsspec knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...optional import need
from .settings import FORMAT
from .videos import Listed

PART_BYTES, PART_VIDEOS = 256 << 20, 50
"""A part, the unit of work that is done or not, is closed when it holds as much."""


@dataclass(frozen=True)
class Part:
    """Videos that one worker prepares in one go."""

    name: str
    videos: tuple[str, ...]
    size: int
    """Bytes."""


class Output:
    """Reads and writes the folder. What is half written is never under its final name."""

    def __init__(self, url: str) -> None:
        self._fs, path = need("fsspec", "fsspec").core.url_to_fs(url)
        self._path, self._url = path.rstrip("/"), url

    def plan(self, videos: Sequence[Listed], identity: dict[str, Any]) -> list[Part]:
        """All parts: those planned before as they were, and new ones for videos that are new.

        Raises ValueError if the folder was planned with another identity (settings and networks).
        """
        path = f"{self._path}/plan.json"
        known: list[dict[str, Any]] = []
        if self._fs.exists(path):
            plan = json.loads(self._fs.cat_file(path))
            if plan["identity"] != identity:
                changed = _changes(plan["identity"], identity)
                raise ValueError(f"{self._url} was prepared otherwise ({changed}): use another folder")
            known = plan["parts"]
        taken = {name for part in known for name in part["videos"]}
        fresh = [video for video in videos if video.name not in taken]
        parts = known + [
            {"videos": [video.name for video in group], "size": sum(video.size for video in group)}
            for group in _groups(fresh)
        ]
        if parts != known:
            self._write(path, json.dumps({"identity": identity, "parts": parts}, indent=1).encode())
        return [
            Part(f"part-{number:05d}", tuple(part["videos"]), part["size"])
            for number, part in enumerate(parts)
        ]

    def is_done(self, part: Part) -> bool:
        """Whether everything of a part is there."""
        return self._fs.exists(f"{self._path}/parts/{part.name}.json")

    def add_shard(self, name: str, file: Path) -> None:
        """Put a finished shard into the folder; it counts when its part is finished."""
        self._fs.makedirs(f"{self._path}/shards", exist_ok=True)
        self._fs.put_file(str(file), f"{self._path}/shards/.{name}")
        self._fs.mv(f"{self._path}/shards/.{name}", f"{self._path}/shards/{name}")

    def finish(self, part: Part, shards: list[str], lines: list[dict[str, Any]]) -> None:
        """Say that a part is done: the last thing that is written of it."""
        content = {"format": FORMAT, "videos": part.videos, "shards": shards, "clips": lines}
        self._write(f"{self._path}/parts/{part.name}.json", json.dumps(content).encode())

    def write_manifest(self, parts: Iterable[Part]) -> list[dict[str, Any]]:
        """Join the lines of the parts that are done into manifest.jsonl, and return them."""
        lines: list[dict[str, Any]] = []
        for part in parts:
            if self.is_done(part):
                lines += json.loads(self._fs.cat_file(f"{self._path}/parts/{part.name}.json"))["clips"]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        self._write(f"{self._path}/manifest.jsonl", text.encode())
        return lines

    def _write(self, path: str, content: bytes) -> None:
        folder, name = path.rsplit("/", 1)
        self._fs.makedirs(folder, exist_ok=True)
        self._fs.pipe_file(f"{folder}/.{name}", content)
        self._fs.mv(f"{folder}/.{name}", path)


def _groups(videos: Sequence[Listed]) -> Iterable[list[Listed]]:
    """Videos in parts of bounded size, in order."""
    group: list[Listed] = []
    size = 0
    for video in videos:
        if group and (size + video.size > PART_BYTES or len(group) == PART_VIDEOS):
            yield group
            group, size = [], 0
        group.append(video)
        size += video.size
    if group:
        yield group


def _changes(before: dict[str, Any], now: dict[str, Any]) -> str:
    names = sorted({*before, *now})
    changed = [name for name in names if before.get(name) != now.get(name)]
    return ", ".join(f"{name} {before.get(name)}, now {now.get(name)}" for name in changed)
