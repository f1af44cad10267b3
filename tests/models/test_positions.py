"""The table of pixels' places: what a user's saved files were trained with stays, new ones tell neighbours apart."""

from __future__ import annotations

import math

import torch

from emo_core.modules.embeddings import pixel_table

SIDE, CHANNELS = 16, 32


def alike(table: torch.Tensor, distance: int) -> float:
    """Mean cosine between places `distance` columns apart."""
    places = table.unflatten(0, (SIDE, SIDE))
    return torch.cosine_similarity(places[:, distance:], places[:, : SIDE - distance], dim=-1).mean().item()


def test_without_periods_it_is_the_table_of_the_first_files() -> None:
    table = pixel_table(SIDE, SIDE, CHANNELS).unflatten(0, (SIDE, SIDE))
    frequencies = [100 ** (-k / 8) for k in range(8)]
    row, column = 5, 11
    expected = [f(place * w) for place in (row, column) for f in (math.sin, math.cos) for w in frequencies]
    torch.testing.assert_close(table[row, column], torch.tensor(expected))


def test_periods_are_those_asked_for_from_the_shortest_to_the_longest() -> None:
    table = pixel_table(1, 41, CHANNELS, (4.0, 40.0)).unflatten(-1, (4, 8))  # row sin, row cos, column sin, cos
    shortest, longest = table[:, 2:, 0], table[:, 2:, -1]
    torch.testing.assert_close(shortest[4], shortest[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(shortest[2], -shortest[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(longest[40], longest[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(longest[20], -longest[0], atol=1e-5, rtol=0)


def test_short_periods_tell_neighbours_apart() -> None:
    slow, quick = pixel_table(SIDE, SIDE, CHANNELS), pixel_table(SIDE, SIDE, CHANNELS, (3.0, 40.0))
    assert alike(slow, 1) > 0.9
    assert alike(quick, 1) < 0.85
    assert alike(quick, 3) < 0.7
