"""Finished clips on disk: what is whole is found again, what is not is made again."""

import os
import time
from pathlib import Path

import pytest
import torch

from emo_core.media.clip_store import ClipsInMemory, ClipStore, clean

ROW = (2, 4, 4)
CLIPS = [torch.randn(frames, *ROW, generator=torch.Generator().manual_seed(frames)) for frames in (3, 3, 2)]


def filled(folder: Path, clips: int, key: str = "k") -> ClipStore:
    """A store with the first clips."""
    store = ClipStore(folder, key, ROW)
    for clip in CLIPS[:clips]:
        store.append(clip)
    return store


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_all_clips_are_one_video(tmp_path: Path, kind: str) -> None:
    store = ClipStore(tmp_path, "k", ROW) if kind == "disk" else ClipsInMemory()
    for clip in CLIPS:
        store.append(clip)
        assert torch.equal(store.tail(2), clip[-2:])
    assert store.frames == 8
    assert torch.equal(store.finish(), torch.cat(CLIPS))


def test_a_killed_run_is_found_with_its_clips(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    again = ClipStore(tmp_path, "k", ROW)
    assert again.frames == 6
    assert torch.equal(again.tail(4), torch.cat(CLIPS[:2])[-4:])
    again.append(CLIPS[2])
    assert torch.equal(again.finish(), torch.cat(CLIPS))


def test_a_finished_run_is_found_whole(tmp_path: Path) -> None:
    before = filled(tmp_path, 3).finish()
    again = ClipStore(tmp_path, "k", ROW)
    assert again.frames == 8
    assert torch.equal(again.finish(), before)


def test_another_key_finds_nothing(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    assert ClipStore(tmp_path, "other", ROW).frames == 0


def test_a_clip_that_was_changed_is_not_used_nor_what_follows(tmp_path: Path) -> None:
    filled(tmp_path, 3).finish()
    path = tmp_path / "k.latents"
    data = bytearray(path.read_bytes())
    data[4 * 32 * 4] ^= 1  # in the second clip
    path.write_bytes(data)
    assert ClipStore(tmp_path, "k", ROW).frames == 3


def test_a_kill_in_the_middle_of_writing_costs_that_clip_only(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    with (tmp_path / "k.part").open("ab") as file:
        file.write(b"half a clip")
    with (tmp_path / "k.journal").open("a") as file:
        file.write("6 2 0123")
    again = ClipStore(tmp_path, "k", ROW)
    again.append(CLIPS[2])
    assert torch.equal(again.finish(), torch.cat(CLIPS))


def test_old_runs_are_cleaned_away_by_age_and_size(tmp_path: Path) -> None:
    for index, key in enumerate(("oldest", "old", "new", "mine")):
        filled(tmp_path, 1, key)
        for path in tmp_path.glob(f"{key}.*"):
            os.utime(path, (0, time.time() - (3 - index) * 86400))
    clean(tmp_path, "mine", days=2.5, most_bytes=3 * 32 * 4 + 300)
    assert {path.stem for path in tmp_path.iterdir()} == {"new", "mine"}
