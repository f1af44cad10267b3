"""From encoder states to one window of rows per video frame, by each family's rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class StateTimes:
    """When the states of an encoder happen: state t is centred at (t + center) / rate seconds."""

    rate: float = 50.0
    """States per second."""
    center: float = 0.5
    """Middle of state 0, in states."""


def frame_windows(states: Tensor, times: StateTimes, frames: int, fps: float, window: int) -> Tensor:
    """Windows [F, K, layers, C] around each video frame of states [T, layers, C] (paper, Audio Layers).

    Frame i is centred at (i + 0.5) / fps s; its row lies between the two states nearest to that time, and a
    window is the rows of frames i - m .. i + m with K = 2m + 1. Before the first and after the last state and
    frame, the end is repeated.
    """
    return neighbours(resample_states(states, times, frames, fps), window // 2, window - 1 - window // 2)


def resample_states(states: Tensor, times: StateTimes, frames: int, fps: float) -> Tensor:
    """Rows [F, layers, C] at the centres of video frames, linear between states [T, layers, C]."""
    if frames < 1 or fps <= 0 or states.shape[0] < 1:
        raise ValueError(f"need states, frames and a frame rate, got {states.shape[0]}, {frames} and {fps}")
    return at_positions(states, frame_positions(torch.arange(frames), times, fps, states.shape[0]))


def frame_positions(frames: Tensor, times: StateTimes, fps: float, states: int) -> Tensor:
    """Where the centres of some frames [F] lie among `states` states, float64 [F]."""
    return ((frames.double() + 0.5) / fps * times.rate - times.center).clamp(0, states - 1)


def at_positions(states: Tensor, position: Tensor) -> Tensor:
    """Rows [F, ...] at positions [F] between states [T, ...], linear."""
    position = position.to(states.device)
    below = position.floor().long()
    above = (below + 1).clamp(max=states.shape[0] - 1)
    share = (position - below).to(states.dtype).reshape(-1, *[1] * (states.ndim - 1))
    return torch.lerp(states[below], states[above], share)


def neighbours(rows: Tensor, before: int, after: int) -> Tensor:
    """Stack rows i - before .. i + after of each row i: [T, ...] to [T, K, ...]; the ends are repeated."""
    return rows[neighbour_index(rows.shape[0], before, after).to(rows.device)]


def neighbour_index(count: int, before: int, after: int) -> Tensor:
    """Which rows [T, K] of T = `count` are i - before .. i + after of each row i; the ends are repeated."""
    index = torch.arange(count)[:, None] + torch.arange(-before, after + 1)
    return index.clamp(0, count - 1)


@dataclass(frozen=True)
class Windows:
    """One window of encoder states per video frame. Neighbouring windows share rows, so they are put together
    only for the frames that are asked for."""

    rows: Tensor
    """[T, layers, C]."""
    index: Tensor
    """Which rows each frame sees, [F, K]."""

    def pieces(self, frames: int) -> Iterator[Tensor]:
        """Windows [f, K, layers, C] of up to `frames` frames at a time."""
        for index in self.index.split(frames):
            yield self.rows[index.to(self.rows.device)]

    def all(self) -> Tensor:
        """Every window, [F, K, layers, C]."""
        return self.rows[self.index.to(self.rows.device)]
