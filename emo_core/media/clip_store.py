"""Finished clips of one video on disk: memory does not grow with length, and a killed run goes on.

`KEY.part` holds the latents of the clips one after another, `KEY.journal` a line for each: first frame, frames,
checksum. A line is written when its latents are on the disk, so whatever the journal says and the checksum
confirms is whole. With the last clip the file becomes `KEY.latents`.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from .disk import ROW, map_rows, to_bytes

BUSY_SECONDS = 3600  # what was written to as recently is not cleaned away


class Clips(Protocol):
    """Where finished clips go."""

    frames: int
    """Frames that are finished."""

    def append(self, clip: Tensor) -> None:
        """Add a clip [f, C, h, w]."""
        ...

    def tail(self, frames: int) -> Tensor:
        """The last frames, fewer if there are not so many."""
        ...

    def finish(self) -> Tensor:
        """All frames [F, C, h, w]."""
        ...


class ClipsInMemory:
    """For short videos."""

    def __init__(self) -> None:
        self.frames = 0
        self._clips: list[Tensor] = []

    def append(self, clip: Tensor) -> None:
        self._clips.append(clip)
        self.frames += clip.shape[0]

    def tail(self, frames: int) -> Tensor:
        return torch.cat(self._clips[-frames:])[-frames:]

    def finish(self) -> Tensor:
        return torch.cat(self._clips)


class ClipStore:
    """Clips in files of a folder, found again under the same key."""

    def __init__(self, folder: Path, key: str, row: Sequence[int]) -> None:
        """Open what a former run left under `key`, up to the first clip that is not whole; row is [C, h, w]."""
        folder.mkdir(parents=True, exist_ok=True)
        self._row = tuple(row)
        self._part, self._whole = folder / f"{key}.part", folder / f"{key}.latents"
        self._journal = folder / f"{key}.journal"
        self._data = self._whole if self._whole.exists() else self._part
        self._data.touch()
        lines, self.frames = self._confirmed()
        if self._data.stat().st_size != self._bytes(self.frames):
            self._data = self._data.replace(self._part)
            os.truncate(self._data, self._bytes(self.frames))
        _replace(self._journal, "".join(lines))

    def append(self, clip: Tensor) -> None:
        data = to_bytes(clip)
        self._data = self._data.replace(self._part)
        with self._data.open("r+b") as file:
            file.seek(self._bytes(self.frames))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with self._journal.open("a") as file:
            file.write(f"{self.frames} {clip.shape[0]} {hashlib.sha256(data).hexdigest()}\n")
            file.flush()
            os.fsync(file.fileno())
        self.frames += clip.shape[0]

    def tail(self, frames: int) -> Tensor:
        first = max(0, self.frames - frames)
        with self._data.open("rb") as file:
            file.seek(self._bytes(first))
            data = bytearray(file.read(self._bytes(self.frames - first)))
        return torch.frombuffer(data, dtype=ROW).reshape(-1, *self._row)

    def finish(self) -> Tensor:
        self._data = self._data.replace(self._whole)
        return map_rows(self._data, self._row)

    def _bytes(self, frames: int) -> int:
        return frames * ROW.itemsize * torch.Size(self._row).numel()

    def _confirmed(self) -> tuple[list[str], int]:
        """The journal's lines whose clips are in the file unchanged, and how many frames they are."""
        lines = self._journal.read_text().splitlines(keepends=True) if self._journal.exists() else []
        good, frames = [], 0
        with self._data.open("rb") as file:
            for line in lines:
                words = line.split()
                if len(words) != 3 or words[0] != str(frames) or not words[1].isdigit():
                    break
                data = file.read(self._bytes(int(words[1])))
                if hashlib.sha256(data).hexdigest() != words[2] or not line.endswith("\n"):
                    break
                good.append(line)
                frames += int(words[1])
        return good, frames


def clean(folder: Path, keep: str, days: float, most_bytes: int) -> None:
    """Remove what is older than `days`, and the oldest of what is more than `most_bytes`; never the key `keep`."""
    groups: dict[str, list[Path]] = {}
    for path in folder.glob("*.*"):
        if path.suffix in (".part", ".latents", ".journal") and path.stem != keep:
            groups.setdefault(path.stem, []).append(path)
    now = time.time()
    room = most_bytes
    for age, size, paths in sorted(_age_and_size(paths, now) for paths in groups.values()):
        room -= size
        if age > days * 86400 or (room < 0 and age > BUSY_SECONDS):
            for path in paths:
                _remove(path)


def _age_and_size(paths: list[Path], now: float) -> tuple[float, int, list[Path]]:
    stats = [path.stat() for path in paths]
    return now - max(stat.st_mtime for stat in stats), sum(stat.st_size for stat in stats), paths


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        return  # Windows: still mapped by a result that is in use; the next run tries again


def _replace(path: Path, text: str) -> None:
    partial = path.with_suffix(".new")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
