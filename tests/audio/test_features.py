"""Windows of encoder states around video frames."""

import pytest
import torch

from emo_core.audio.features import StateTimes, frame_windows, neighbours, resample_states

TIMES = StateTimes(rate=50.0, center=0.5)


def ramp(count: int) -> torch.Tensor:
    """States whose value is their own time in seconds, [T, 2 layers, 3]."""
    return ((torch.arange(count) + 0.5) / 50)[:, None, None].expand(-1, 2, 3)


@pytest.mark.parametrize("fps", [12.5, 24.0, 25.0, 29.97, 30.0])
def test_a_frame_hears_the_sound_at_its_own_middle(fps: float) -> None:
    frames = int(2 * fps)
    rows = resample_states(ramp(100), TIMES, frames, fps)
    inside = slice(1, frames - 1)  # the first and last half state have nothing beyond them
    torch.testing.assert_close(rows[inside, 0, 0], ((torch.arange(frames) + 0.5) / fps)[inside])


def test_the_middle_of_a_window_is_the_frame_itself() -> None:
    windows = frame_windows(ramp(100), TIMES, frames=48, fps=24.0, window=5)
    assert windows.shape == (48, 5, 2, 3)
    torch.testing.assert_close(windows[:, 2], resample_states(ramp(100), TIMES, 48, 24.0))


def test_the_ends_are_repeated() -> None:
    windows = neighbours(torch.arange(4), before=2, after=1)
    assert windows.tolist() == [[0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 3]]


def test_more_frames_than_sound_repeat_the_last_state() -> None:
    rows = resample_states(ramp(10), TIMES, frames=20, fps=25.0)
    assert (rows[-5:] == ramp(10)[-1]).all()


def test_no_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="need states"):
        resample_states(torch.zeros(0, 1, 4), TIMES, 3, 25.0)
