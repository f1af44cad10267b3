"""Training clips: deterministic, resumable, atomic, and readable without loading them."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emo_core.training.synthetic.clip_plan import FASTEST, FORMAT, IDENTITY_SEEDS, ClipPlan, ClipsError
from emo_core.training.synthetic.clip_shards import ClipShards
from emo_core.training.synthetic.clips import Stage, main, make_clips, shard_name, write_shard
from emo_core.training.synthetic.espeak import EspeakError, Synthesiser

try:
    Synthesiser()
except EspeakError as error:
    pytest.skip(str(error), allow_module_level=True)

TINY = ClipPlan(seed=3, size=32, frames=6, drawn_share=1.0, shard_clips=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    make_clips(folder, 5, TINY)
    return folder


def test_shards_hold_every_array_of_the_plan(made: Path) -> None:
    shards = ClipShards(made)
    assert len(shards) == 5
    assert shards.frames(4).shape == (6, 32, 32, 3)
    assert shards.frames(4).dtype == np.uint8
    assert shards.tracks(0).shape == (6, 14)
    assert shards.landmarks(1).shape == (6, 12, 2)
    assert shards.boxes(2).shape == (6, 4)
    assert shards.speed(3).shape == (6,)
    waveform, rate = shards.waveform(0)
    assert waveform.shape == (3840,)
    assert shards.portraits(0).shape == (4, 32, 32, 3)
    assert shards.portrait_boxes(0).shape == (4, 4)
    assert rate == 16000
    assert shards.plan == TINY


def test_frames_are_what_the_portrait_and_the_performance_give(made: Path) -> None:
    shards, stage = ClipShards(made), Stage()
    for clip in (0, 3):
        performance = stage.perform(shards.info[clip], TINY)
        frame, truth = stage.portrait(shards.info[clip]).render(performance.state(5), 32)
        np.testing.assert_array_equal(shards.frames(clip)[5], frame)
        np.testing.assert_array_equal(shards.landmarks(clip)[5], truth.landmarks)
        np.testing.assert_array_equal(shards.tracks(clip), performance.tracks)


def test_workers_and_the_number_of_clips_do_not_change_a_clip(made: Path, tmp_path: Path) -> None:
    make_clips(tmp_path, 3, TINY, workers=2)
    first, second = ClipShards(made), ClipShards(tmp_path)
    for clip in range(3):
        np.testing.assert_array_equal(first.frames(clip), second.frames(clip))
        np.testing.assert_array_equal(first.waveform(clip)[0], second.waveform(clip)[0])


def test_a_second_run_keeps_whole_shards_and_fills_up_the_last(tmp_path: Path) -> None:
    make_clips(tmp_path, 3, TINY)
    kept = (tmp_path / shard_name(0) / "frames.npy").stat()
    (tmp_path / ".shard-00001.1234").mkdir()  # left by a killed run
    make_clips(tmp_path, 4, TINY)
    assert (tmp_path / shard_name(0) / "frames.npy").stat() == kept
    assert len(ClipShards(tmp_path)) == 4
    assert not list(tmp_path.glob(".*"))


def test_an_interrupted_shard_leaves_nothing_behind(tmp_path: Path) -> None:
    class Broken(Stage):
        def portrait(self, clip: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path, 0, 1, TINY, Broken())
    assert not list(tmp_path.iterdir())


def test_another_plan_in_the_same_folder_is_refused(made: Path) -> None:
    with pytest.raises(ClipsError, match="use another folder"):
        make_clips(made, 5, ClipPlan(seed=4, size=32, frames=6, drawn_share=1.0, shard_clips=2))


def test_clips_of_an_earlier_world_are_neither_read_nor_added_to(made: Path, tmp_path: Path) -> None:
    old = shutil.copytree(made, tmp_path / "old")
    meta = next(old.glob("shard-*/meta.json"))
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"format": FORMAT - 1}))
    with pytest.raises(ClipsError, match=f"format {FORMAT - 1}, not {FORMAT}"):
        ClipShards(old)
    with pytest.raises(ClipsError, match=f"format {FORMAT - 1}, not {FORMAT}"):
        make_clips(old, 5, ClipShards(made).plan)


def test_a_folder_without_shards_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(ClipsError, match="make some"):
        ClipShards(tmp_path)


def test_no_identity_belongs_to_two_splits() -> None:
    ranges = sorted(IDENTITY_SEEDS.values())
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    for split, (low, high) in IDENTITY_SEEDS.items():
        seeds = [ClipPlan(split=split).clip(i).identity for i in range(200)]
        assert all(low <= seed < high for seed in seeds)
        assert len(set(seeds)) == 200


def test_the_shares_of_drawn_and_sung_clips_are_kept() -> None:
    clips = [ClipPlan(drawn_share=0.3).clip(i) for i in range(2000)]
    assert np.mean([clip.kind == "drawn" for clip in clips]) == pytest.approx(0.3, abs=0.04)
    assert np.mean([clip.singing for clip in clips]) == pytest.approx(0.15, abs=0.03)


def test_even_speeds_are_asked_of_their_share_and_change_nothing_else() -> None:
    plain, even = (
        [ClipPlan(even_speeds=share).clip(i) for i in range(2000)] for share in (0.0, 0.25)
    )
    asked = np.array([clip.speed for clip in even if clip.speed is not None])
    assert len(asked) / 2000 == pytest.approx(0.25, abs=0.04)
    assert np.histogram(asked, 4, (0, FASTEST))[0] / len(asked) == pytest.approx(0.25, abs=0.06)
    assert [replace(clip, speed=None) for clip in even] == plain


def test_heads_turn_as_fast_as_the_plan_asks(tmp_path: Path) -> None:
    plan = ClipPlan(seed=8, size=32, frames=30, drawn_share=1.0, even_speeds=1.0, shard_clips=6)
    make_clips(tmp_path, 6, plan)
    clips = ClipShards(tmp_path)
    asked = np.array([info.speed for info in clips.info])
    slow = asked < 1.7  # a head within its limits cannot be faster
    assert slow.any()
    made = np.array([clips.speed(clip).mean() for clip in range(6)])
    assert made[slow] == pytest.approx(asked[slow], rel=0.15)


def test_clips_of_a_plan_from_before_even_speeds_are_gone_on_with(tmp_path: Path) -> None:
    make_clips(tmp_path, 2, TINY)
    meta = tmp_path / "shard-00000" / "meta.json"
    told = json.loads(meta.read_text())
    del told["plan"]["even_speeds"]
    meta.write_text(json.dumps(told))
    make_clips(tmp_path, 3, TINY)
    assert len(ClipShards(tmp_path)) == 3


@pytest.mark.slow
def test_the_command_line_renders_heads_too(tmp_path: Path) -> None:
    main([str(tmp_path), "--clips", "1", "--size", "64", "--frames", "3", "--drawn-share", "0"])
    shards = ClipShards(tmp_path)
    assert shards.info[0].kind == "rendered"
    assert shards.frames(0).std() > 10
