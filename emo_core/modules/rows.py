"""Some rows of a batch, and rows put together, by slices: an index would be copied to the device at every layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def take(x: Tensor, rows: Sequence[int]) -> Tensor:
    """The rows of x [R, ...], in that order; neighbours are a view of x."""
    first = rows[0] if rows else 0
    if list(rows) == list(range(first, first + len(rows))):
        return x[first : first + len(rows)]
    return torch.cat([x[row : row + 1] for row in rows])


def join(count: int, rows: Sequence[int], some: Tensor, others: Tensor) -> Tensor:
    """All `count` rows: `some` are those in `rows`, `others` the rest, each in order.

    `others` may be smaller than the rest, as small as one number: it is repeated.
    """
    rest = others.expand(count - len(rows), *some.shape[1:])
    pieces = {row: some[index] for index, row in enumerate(rows)}
    missing = [row for row in range(count) if row not in pieces]
    pieces |= {row: rest[index] for index, row in enumerate(missing)}
    return torch.stack([pieces[row] for row in range(count)])
