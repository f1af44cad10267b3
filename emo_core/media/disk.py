"""Tensors larger than memory: written to a file row by row, mapped as a whole, read back slice by slice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROW = torch.float32


class RowWriter:
    """Appends rows of one shape to a file, float32; use it with `with`."""

    def __init__(self, path: Path, row: Sequence[int]) -> None:
        self.path, self.row = path, tuple(row)
        self.rows = 0

    def __enter__(self) -> RowWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is not None:
            self.path.unlink(missing_ok=True)

    def append(self, rows: Tensor) -> None:
        """Add rows [N, *row]."""
        if rows.shape[1:] != self.row:
            raise ValueError(f"rows of shape {tuple(rows.shape[1:])} do not fit a file of {self.row}")
        self._file.write(to_bytes(rows))
        self.rows += rows.shape[0]


def to_bytes(rows: Tensor) -> memoryview:
    """The numbers of a tensor as float32 in memory order."""
    return rows.to("cpu", ROW).contiguous().numpy().data.cast("B")


def map_rows(path: Path, row: Sequence[int]) -> Tensor:
    """All rows [N, *row] of a file as a tensor whose pages are read when they are looked at."""
    count = path.stat().st_size // ROW.itemsize
    if not count or count % math.prod(row):
        raise ValueError(f"{path} holds {count} numbers, which are no rows of shape {tuple(row)}")
    return torch.from_file(str(path), shared=True, size=count, dtype=ROW).reshape(-1, *row)


def read_rows(tensor: Tensor, start: int, stop: int) -> Tensor:
    """Rows `start` to `stop` of any tensor.

    If it is a mapped file they are read from there, so that the pages of the mapping do not fill memory.
    """
    path = tensor.untyped_storage().filename
    part = tensor[start:stop]
    if path is None or not part.is_contiguous() or not part.numel():
        return part
    try:
        found = np.fromfile(path, np.float32, part.numel(), offset=part.storage_offset() * ROW.itemsize)
    except OSError:
        return part  # the file was cleaned away; the mapping still holds it
    return torch.from_numpy(found).reshape(part.shape) if found.size == part.numel() else part
