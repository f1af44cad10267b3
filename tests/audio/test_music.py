"""The head follows the music."""

import math
import sys

import pytest
import torch

from emo_core.audio.music import onset_strength
from emo_core.media.video import Sound


def beats(seconds: int, rate: int = 16000) -> Sound:
    """A short note at every full second."""
    samples = torch.zeros(seconds * rate)
    time = torch.arange(rate // 10) / rate
    note = torch.sin(2 * math.pi * 440 * time) * torch.exp(-time * 30)
    for start in range(0, seconds * rate, rate):
        samples[start : start + len(note)] = note
    return Sound(samples[None], rate)


def test_the_curve_is_high_where_notes_begin() -> None:
    pytest.importorskip("librosa")
    curve = onset_strength(beats(6), frames=150, fps=25.0, smooth=0.1)
    assert curve.shape == (150,)
    assert 0 <= curve.min() <= curve.max() <= 1
    at_beats = torch.stack([curve[second * 25 - 2 : second * 25 + 4].max() for second in range(1, 6)])
    between = torch.stack([curve[second * 25 + 10 : second * 25 + 20].max() for second in range(1, 5)])
    assert at_beats.min() > 3 * between.max()


def test_long_music_is_heard_in_pieces_without_a_seam() -> None:
    pytest.importorskip("librosa")
    curve = onset_strength(beats(65), frames=65 * 25, fps=25.0, smooth=0.1)
    late = torch.stack([curve[second * 25 - 2 : second * 25 + 4].max() for second in range(55, 64)])
    assert late.min() > 0.7 * late.max()


def test_smoother_curves_move_less() -> None:
    pytest.importorskip("librosa")
    sharp, even = (onset_strength(beats(6), 150, 25.0, smooth) for smooth in (0.1, 1.0))
    assert even.diff().abs().sum() < 0.5 * sharp.diff().abs().sum()


def test_without_librosa_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(RuntimeError, match="following the music needs librosa: pip install librosa"):
        onset_strength(beats(1), 25, 25.0, 0.1)
