"""From sound to windows, by each family's rule."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from emo_core.audio import rules
from emo_core.audio.resample import resample
from emo_core.config import AudioConfig


def clock(waveform: Tensor, frames: int | None) -> Tensor:
    """An "encoder" of two layers whose states are their own number."""
    count = frames or waveform.shape[0] // 320
    return torch.arange(count).float()[:, None, None].expand(-1, 2, 3)


def test_the_encoder_runs_at_the_frame_rate_and_ends_are_repeated() -> None:
    config = AudioConfig(encoder="wav2vec2", layers=2, window=5, rows="encoder_at_frames")
    windows = rules.encode_windows(clock, config, torch.randn(16000), frames=32, fps=25.0).all()
    assert windows.shape == (32, 5, 2, 3)
    assert windows[0, :, 0, 0].tolist() == [0, 0, 0, 1, 2]
    assert windows[31, :, 0, 0].tolist() == [29, 30, 31, 31, 31]


def test_sound_is_filled_up_to_whole_clips_with_frames_of_silence() -> None:
    assert rules.sound_frames(4400, 25.0) == 7
    assert rules.padding_samples(4400, 8, 25.0) == 640
    assert rules.padding_samples(4400, 7, 25.0) == 0


def test_states_are_taken_from_4_before_to_5_after_a_frame() -> None:
    config = AudioConfig(encoder="whisper", layers=2, window=10, rows="state_rows")
    windows = rules.encode_windows(clock, config, torch.randn(16000), frames=24, fps=24.0).all()
    assert windows[12, :, 0, 0].tolist() == list(range(21, 31))
    assert windows[0, :, 0, 0].tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5]


def test_echomimic_makes_frames_until_one_is_behind_the_sound() -> None:
    assert rules.state_row_frames(76, 24.0) == 38  # 37 * 50 / 24 = 77
    assert rules.state_row_frames(50, 25.0) == 27


def test_two_rows_per_frame_with_zeros_beyond_the_ends() -> None:
    config = AudioConfig(encoder="wav2vec2", layers=1, window=10, rows="two_per_frame")
    states = torch.ones(37, 1, 4)
    windows = rules.two_per_frame_windows(states, 5, config.window).all()
    assert windows.shape == (5, 10, 1, 4)
    assert windows[0, :, 0, 0].tolist() == [0] * 4 + [1] * 6
    assert windows[4, :, 0, 0].tolist() == [1] * 6 + [0] * 4


def test_the_last_layers_are_used() -> None:
    config = AudioConfig(encoder="mel_conv", layers=1, window=5)
    assert rules.encode_windows(clock, config, torch.randn(16000), frames=30, fps=30.0).all().shape == (30, 5, 1, 3)


def test_wav2vec2_hears_sound_of_unit_variance() -> None:
    sound = rules.normalise(3 + 0.1 * torch.randn(16000), AudioConfig(encoder="wav2vec2"))
    assert sound.mean().abs() < 1e-4
    assert sound.var() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("rate", "new"), [(44100, 16000), (48000, 16000), (16000, 44100), (22050, 16000)])
def test_resampling_keeps_a_tone(rate: int, new: int) -> None:
    tone = torch.sin(2 * math.pi * 440 * torch.arange(rate) / rate)
    expected = torch.sin(2 * math.pi * 440 * torch.arange(new) / new)
    middle = slice(new // 10, -new // 10)
    assert (resample(tone, rate, new)[middle] - expected[middle]).abs().max() < 3e-3


def test_resampling_is_that_of_torchaudio() -> None:
    functional = pytest.importorskip("torchaudio.functional")
    sound = torch.randn(2, 4410, generator=torch.Generator().manual_seed(0))
    expected = functional.resample(sound, 44100, 16000)
    torch.testing.assert_close(resample(sound, 44100, 16000), expected, rtol=1e-4, atol=1e-4)


def test_resampling_removes_what_the_new_rate_cannot_hold() -> None:
    tone = torch.sin(2 * math.pi * 12000 * torch.arange(48000) / 48000)
    assert resample(tone, 48000, 16000)[1000:-1000].abs().max() < 0.01


def test_a_rate_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        resample(torch.zeros(10), 0, 16000)
