"""Posed faces: expressions drawn independently of each other, on heads that keep still."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from emo_core.training.synthetic.clip_plan import ClipPlan
from emo_core.training.synthetic.clip_shards import ClipShards
from emo_core.training.synthetic.clips import make_clips
from emo_core.training.synthetic.posed import pose, recoloured
from emo_core.training.synthetic.rest import at_rest
from emo_core.training.synthetic.types import TRACKS

FRAMES = 9


def column(tracks: np.ndarray, name: str) -> np.ndarray:
    return tracks[..., TRACKS.index(name)]


@pytest.fixture(scope="module")
def tracks() -> np.ndarray:
    return np.stack([pose(seed, FRAMES, 25.0).tracks for seed in range(400)])


def test_the_head_keeps_still(tracks: np.ndarray) -> None:
    still = [TRACKS.index(name) for name in TRACKS if name not in ("open", "width", "round", "blink", "brow")]
    assert np.ptp(tracks[:, :, still], axis=1).max() == 0
    assert tracks[:, :, TRACKS.index("yaw")].std() > 1


def test_half_of_the_portraits_are_at_rest_and_all_have_open_eyes(tracks: np.ndarray) -> None:
    talks = np.abs(tracks[:, 0][:, [TRACKS.index(name) for name in ("open", "width", "brow")]]).max(1) > 0
    assert 0.42 < talks.mean() < 0.58
    assert all(at_rest(clip)[0] == 0 for clip in tracks[~talks])
    assert column(tracks[talks, 0], "open").max() > 0.7
    assert not column(tracks[:, 0], "blink").any()


def test_expressions_do_not_go_together_and_eyes_are_often_closed(tracks: np.ndarray) -> None:
    names = ("open", "blink", "brow")
    shown = np.stack([column(tracks[:, 1:], name).ravel() for name in names])
    apart = np.corrcoef(shown) - np.eye(len(names))
    assert np.abs(apart).max() < 0.06
    assert 0.25 < (shown[1] == 1).mean() < 0.35
    assert shown[2].min() < -0.9 < 0.9 < shown[2].max()


def test_the_same_seed_poses_the_same_faces(tracks: np.ndarray) -> None:
    assert np.array_equal(pose(7, FRAMES, 25.0).tracks, tracks[7])
    assert not np.array_equal(tracks[7], tracks[8])


def test_one_person_s_pictures_change_colours_in_the_same_way() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    one, two = recoloured(np.stack([picture, picture]), 3)
    assert np.array_equal(one, two)
    assert np.abs(one.astype(int) - picture).mean() > 5
    assert not np.array_equal(one, recoloured(picture[None], 4)[0])


def test_a_folder_of_posed_faces(tmp_path: Path) -> None:
    """Silent, and a share of them in other colours: the same identities without that look otherwise."""
    plans = [
        ClipPlan(seed=4, size=32, frames=FRAMES, drawn_share=1.0, shard_clips=4, portraits=1, posed=True, recoloured=r)
        for r in (0.0, 0.5)
    ]
    plain, mixed = (make(tmp_path / str(i), plan) for i, plan in enumerate(plans))
    assert plain.waveform(0)[0].shape == (plans[0].samples,)
    assert not plain.waveform(0)[0].any()
    changed = [info.recoloured for info in mixed.info]
    assert any(changed)
    assert not all(changed)
    for clip, other in enumerate(changed):
        assert np.array_equal(plain.frames(clip), mixed.frames(clip)) != other
        assert np.array_equal(plain.tracks(clip), mixed.tracks(clip))
        assert np.ptp(mixed.boxes(clip), axis=0).max() < 6  # a jaw drops, nothing else moves


def make(folder: Path, plan: ClipPlan) -> ClipShards:
    make_clips(folder, 8, plan)
    return ClipShards(folder)


def test_a_share_of_the_drawn_people_are_plain_cartoons_and_the_others_stay_who_they_were() -> None:
    plans = [ClipPlan(seed=4, drawn_share=0.5, posed=True, recoloured=0.5, cartoons=share) for share in (0.0, 0.6)]
    before, after = ([plan.clip(index) for index in range(300)] for plan in plans)
    assert [(c.kind, c.identity, c.recoloured) for c in before] == [(c.kind, c.identity, c.recoloured) for c in after]
    assert not any(clip.cartoon for clip in before)
    assert not any(clip.cartoon for clip in after if clip.kind == "rendered")
    assert 0.5 < np.mean([clip.cartoon for clip in after if clip.kind == "drawn"]) < 0.7
