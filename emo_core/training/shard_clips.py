"""Clips of prepared footage for training: any frames of any clip, read from the shards by their place in the file.

Batches are drawn at random and a resumed run must draw the same ones, so a shard is not streamed from its start: its
tar index is read once (headers only, kept in a local folder), then a batch costs one byte range per array and clip,
from disk or object storage alike. Shard format: docs/training.md, "Prepared footage".
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..optional import need
from .checkpoint import write_text
from .footage.shards import shard_urls

ARRAYS = ("latents", "states")
"""What is kept as an array beside a clip; everything else is in its metadata."""


@dataclass(frozen=True)
class _Place:
    """Where a file lies in its shard."""

    shard: str
    offset: int
    size: int


@dataclass(frozen=True)
class _Clip:
    files: Mapping[str, _Place]
    """By extension."""


class ShardClips:
    """Random access to prepared footage; the same calls as `latent_clips.LatentClips`."""

    def __init__(self, places: Sequence[str], index_folder: Path) -> None:
        """places: folders or addresses that `prepare` wrote; index_folder: local, for the shards' indices."""
        urls = [url for place in places for url in shard_urls(place)]
        self._clips = [clip for url in urls for clip in _index(url, index_folder)]
        if not self._clips:
            raise ValueError(
                f"the prepared footage in {', '.join(places)} holds no clip that passed the filters"
            )
        self._meta = lru_cache(maxsize=256)(self._read_meta)
        first = self._meta(0)
        self.size, self.fps = int(first["size"]), float(first["fps"])

    def __len__(self) -> int:
        return len(self._clips)

    def split(self, held_out: int) -> tuple[ShardClips, ShardClips]:
        """The clips without the last ones, and the last ones."""
        if held_out >= len(self):
            raise ValueError(
                f"{held_out} of {len(self)} clips cannot be held out: prepare more, or ask for fewer"
            )
        border = len(self) - held_out
        parts = copy(self), copy(self)
        for part, clips in zip(parts, (self._clips[:border], self._clips[border:]), strict=True):
            part._clips = clips
            part._meta = lru_cache(maxsize=256)(part._read_meta)
        return parts

    def has(self, name: str) -> bool:
        """Whether clips have `name`, seen at the first one."""
        return f"{name}.npy" in self._clips[0].files if name in ARRAYS else name in self._meta(0)

    def frames(self, clip: int) -> int:
        """Number of frames of a clip."""
        return int(self._meta(clip)["frames"])

    def get(self, clip: int, name: str, rows: np.ndarray | slice) -> Tensor:
        """Rows of `latents`, `states` or a list of the metadata, float32, one row per frame."""
        if name not in ARRAYS:
            return torch.from_numpy(np.array(self._meta(clip)[name], np.float32)[rows])
        place = self._clips[clip].files.get(f"{name}.npy")
        if place is None:
            flag = "--vae" if name == "latents" else "--audio-encoder"
            raise ValueError(f"the prepared footage has no {name}: prepare it with {flag}")
        if isinstance(rows, slice):
            rows = np.arange(self.frames(clip))[rows]
        return torch.from_numpy(_array_rows(place, rows).astype(np.float32))

    def sound(self, clip: int) -> bytes:
        """The clip's sound as a FLAC file."""
        return _read(self._clips[clip].files["flac"])

    def _read_meta(self, clip: int) -> dict[str, Any]:
        return json.loads(_read(self._clips[clip].files["json"]))


def _index(url: str, folder: Path) -> list[_Clip]:
    """The clips of a shard; its index is made once."""
    file = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.json"
    size = need("fsspec", "fsspec").core.url_to_fs(url)[0].size(url)
    if file.is_file():
        known = json.loads(file.read_text())
        if known["size"] == size:
            return _clips(url, known["files"])
    with need("fsspec", "fsspec").open(url, "rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
        files = [(entry.name, entry.offset_data, entry.size) for entry in tar if entry.isfile()]
    write_text(file, json.dumps({"url": url, "size": size, "files": files}))
    return _clips(url, files)


def _clips(url: str, files: Sequence[Sequence[Any]]) -> list[_Clip]:
    found: dict[str, dict[str, _Place]] = {}
    for name, offset, size in files:
        key, _, extension = os.path.basename(name).partition(".")
        found.setdefault(key, {})[extension] = _Place(url, offset, size)
    return [_Clip(parts) for parts in found.values()]


def _read(place: _Place, start: int = 0, length: int | None = None) -> bytes:
    stop = place.size if length is None else min(start + length, place.size)
    filesystem, path = need("fsspec", "fsspec").core.url_to_fs(place.shard)
    return filesystem.cat_file(path, start=place.offset + start, end=place.offset + stop)


def _array_rows(place: _Place, rows: np.ndarray) -> np.ndarray:
    """Rows of an .npy file: its header, then the span that holds the rows."""
    head = io.BytesIO(_read(place, 0, 256))
    version = np.lib.format.read_magic(head)
    read_header = (
        np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read_header(head)
    if fortran or dtype.hasobject:
        raise ValueError(f"an array in {place.shard} is not in plain rows: prepare the footage again")
    stride = int(np.prod(shape[1:])) * dtype.itemsize
    first, last = int(rows.min()), int(rows.max()) + 1
    data = _read(place, head.tell() + first * stride, (last - first) * stride)
    return np.frombuffer(data, dtype).reshape(last - first, *shape[1:])[rows - first]
