"""Tokens are made to tell a face's truth by the smallest change."""

from __future__ import annotations

import torch

from emo_core.config import AudioConfig
from emo_core.training.synthetic.types import TRACKS
from emo_core.training.telling import COLUMNS, TOLD, Telling

AUDIO = AudioConfig("mel_conv", 2, 16, hidden=64, tokens=4, token_width=32)


def tokens_and_tracks() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(50, 4, 32, generator=generator), torch.rand(50, len(TRACKS), generator=generator)


def test_what_is_told_is_the_truth_and_nothing_else_changes() -> None:
    tokens, tracks = tokens_and_tracks()
    telling = Telling(AUDIO)
    made = telling.telling(tokens, tracks)
    assert torch.allclose(telling.told(made), telling.wanted(tracks), atol=1e-5)
    change = (made - tokens).flatten(1)
    within = change @ telling.sums @ telling.sums.T  # the smallest change lies in the sums' own directions
    assert torch.allclose(within, change, atol=1e-5)
    assert torch.allclose(telling.telling(made, tracks), made, atol=1e-5)


def test_truth_is_brought_to_one_scale() -> None:
    _, tracks = tokens_and_tracks()
    mean, deviation = (torch.tensor(values) for values in zip(*TOLD.values(), strict=True))
    tracks[0, COLUMNS], tracks[1, COLUMNS] = mean, mean + deviation
    wanted = Telling(AUDIO).wanted(tracks)
    assert torch.allclose(wanted[0], torch.zeros(len(TOLD)), atol=1e-6)
    assert torch.allclose(wanted[1], torch.ones(len(TOLD)), atol=1e-5)


def test_every_process_has_the_same_sums() -> None:
    assert torch.equal(Telling(AUDIO).sums, Telling(AUDIO).sums)
    assert not torch.equal(Telling(AUDIO).sums, Telling(AUDIO, seed=1).sums)
