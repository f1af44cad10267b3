"""Plans for videos of any length."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from emo_core.config import LongVideoConfig
from emo_core.diffusion.long_video import (
    keep_pixels,
    mask_motion_frames,
    plan_clips,
    plan_windows,
    shifted,
    tiled_length,
)

TABLES = Path(__file__).resolve().parents[3] / "shared" / "goldens" / "echomimic_vexpress_tables.json"
ECHOMIMIC = LongVideoConfig(mode="windows", overlap=3, wrap=True, shift_per_step=2)
V_EXPRESS = LongVideoConfig(mode="windows", overlap=4, exact_tiling=True)


def tables() -> dict:
    if not TABLES.is_file():
        pytest.skip(f"no {TABLES}")
    return json.loads(TABLES.read_text())


def test_wrapped_windows_are_the_published_ones() -> None:
    for name, windows in tables()["echomimic_windows_step0"].items():
        frames = int(name[1:].split("_")[0])
        assert [list(window) for window in plan_windows(frames, 12, ECHOMIMIC)] == windows


def test_lengths_and_frame_rates_are_the_published_ones() -> None:
    for name, row in tables()["vexpress"].items():
        seconds = float(name.removesuffix("s"))
        if row["video_length"] is None:
            with pytest.raises(ValueError, match=r"at least 0\.80 s"):
                tiled_length(seconds, 30.0, 24, 4)
        else:
            frames, fps = tiled_length(seconds, 30.0, 24, 4)
            assert (frames, fps) == (row["video_length"], pytest.approx(row["fps"]))
            assert len(plan_windows(frames, 24, V_EXPRESS)) == row["num_contexts"]


def test_windows_move_on_with_every_step_round_the_end() -> None:
    windows = plan_windows(20, 12, ECHOMIMIC)
    assert shifted(windows, 0, 20, ECHOMIMIC) == windows
    assert shifted(windows, 4, 20, ECHOMIMIC)[1] == (17, 18, 19, 0, 1, 2, 3, 4, 5, 6, 7, 8)


def test_a_single_window_moves_too() -> None:
    assert shifted(plan_windows(5, 12, ECHOMIMIC), 1, 5, ECHOMIMIC) == [(2, 3, 4, 0, 1)]


def test_open_windows_end_at_the_last_frame() -> None:
    assert plan_windows(44, 24, V_EXPRESS) == [tuple(range(24)), tuple(range(20, 44))]
    with pytest.raises(ValueError, match="next shorter is 44"):
        plan_windows(50, 24, V_EXPRESS)


@pytest.mark.parametrize("frames", [1, 11, 12, 13, 25])
def test_clips_cover_every_frame_once(frames: int) -> None:
    clips = plan_clips(frames, 12)
    assert [frame for clip in clips for frame in range(clip.start, clip.stop)][:frames] == list(range(frames))
    assert {clip.frames for clip in clips} == {12}


def test_nothing_to_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        plan_clips(0, 12)
    with pytest.raises(ValueError, match="leaves nothing"):
        plan_windows(30, 4, V_EXPRESS)


def test_motion_frames_lose_pixels_outside_the_face_only() -> None:
    face = torch.zeros(40, 40)
    face[10:20, 10:20] = 1
    frames = torch.ones(2, 3, 40, 40)
    masked = mask_motion_frames(frames, face, 0.25, torch.Generator().manual_seed(0))
    assert (masked[:, :, 10:20, 10:20] == 1).all()
    assert torch.equal(masked[0, 0], masked[1, 2])
    assert (masked[0, 0] == 0).float().mean() == pytest.approx(0.25 * (1 - 1 / 16), abs=0.03)
    assert torch.equal(keep_pixels(frames, torch.ones(40, 40, dtype=torch.bool), face), frames)
