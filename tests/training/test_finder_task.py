"""The head finder learns a world of coloured blobs; reframed pictures keep their heads in their boxes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from emo_core.backend import Backend
from emo_core.models.head_finder import HeadFinder
from emo_core.training.finder_task import FinderTask, reframed
from emo_core.training.loop import Loop, LoopPlan
from emo_core.training.synthetic.clip_plan import FORMAT, ClipPlan
from emo_core.training.synthetic.clip_shards import ClipShards

SIZE, FRAMES, CLIPS = 64, 5, 12


def blobs(rng: np.random.Generator, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [..., SIZE, SIZE, 3] of one ellipse on a ground of another colour, and their boxes [..., 4]."""
    middle, half = rng.uniform(24, 40, (*shape, 2)), rng.uniform(9, 16, (*shape, 2))
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    away = ((x - middle[..., 0, None, None]) / half[..., 0, None, None]) ** 2
    away = away + ((y - middle[..., 1, None, None]) / half[..., 1, None, None]) ** 2
    ground = rng.uniform(0, 90, (*shape, 1, 1, 3))
    pictures = np.where(away[..., None] < 1, rng.uniform(150, 255, (*shape, 1, 1, 3)), ground)
    return pictures.astype(np.uint8), np.concatenate([middle - half, middle + half], -1).astype(np.float32)


def write_blobs(folder: Path, seed: int, *, portraits: int) -> ClipShards:
    rng, shard = np.random.default_rng(seed), folder / "shard-00000"
    plan = ClipPlan(seed=seed, size=SIZE, frames=FRAMES, portraits=portraits)
    shard.mkdir(parents=True)
    for kind, boxes, count in (("frames", "boxes", FRAMES), ("portraits", "portrait_boxes", portraits)):
        pictures, where = blobs(rng, CLIPS, count)
        np.save(shard / f"{kind}.npy", pictures)
        np.save(shard / f"{boxes}.npy", where)
    clips = [asdict(plan.clip(index)) for index in range(CLIPS)]
    (shard / "meta.json").write_text(json.dumps({"format": FORMAT, "plan": asdict(plan), "clips": clips}))
    return ClipShards(folder)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipShards, ClipShards]:
    """Folders as `clips` and `posed` are: with several portraits of a person and with one."""
    folder = tmp_path_factory.mktemp("blobs")
    return write_blobs(folder / "clips", 1, portraits=3), write_blobs(folder / "posed", 2, portraits=1)


def test_the_finder_learns_where_blobs_are(sources: tuple[ClipShards, ClipShards], tmp_path: Path) -> None:
    task = FinderTask(*sources, held_out=1, batch=12)
    Loop(task, LoopPlan(80, 2e-3, warmup=10, cooldown=0.8, ema=0.9), tmp_path).run()
    pictures, boxes = blobs(np.random.default_rng(9), 40)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        found = task.model.eval()(x) * SIZE
    error = (found - torch.from_numpy(boxes)).abs().mean()
    middle = torch.from_numpy(boxes).mean(0)
    assert error < 1.5
    assert error < 0.35 * (middle - torch.from_numpy(boxes)).abs().mean()


def test_every_kind_of_picture_is_shown_but_those_held_out(sources: tuple[ClipShards, ClipShards]) -> None:
    task, rng = FinderTask(*sources, held_out=CLIPS - 1), np.random.default_rng(0)
    shown = {task.draw(rng)[0].tobytes() for _ in range(300)}
    wanted = {p.tobytes() for clips in sources for p in (*clips.frames(0), *clips.portraits(0))}
    assert shown == wanted


def test_a_folder_with_fewer_clips_than_are_held_out_is_refused(sources: tuple[ClipShards, ClipShards]) -> None:
    with pytest.raises(ValueError, match="has 12 clips, want more than the 12 held out"):
        FinderTask(*sources, held_out=CLIPS)


def test_boxes_go_with_their_heads() -> None:
    pictures, boxes = blobs(np.random.default_rng(4), 200)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    truth = torch.from_numpy(boxes) / SIZE
    made, where = reframed(x, truth, torch.Generator().manual_seed(0))
    assert (where - truth).abs().amax(1).quantile(0.3) > 0.03  # most are elsewhere
    inside = made.amax(1) > 120
    for picture, box in zip(inside[:50], (where * SIZE)[:50], strict=True):
        if not picture.any() or box.min() < 1 or box.max() > SIZE - 1:
            continue
        middle = ((box[:2] + box[2:]) / 2).int().tolist()
        row, column = picture[middle[1]].nonzero()[:, 0], picture[:, middle[0]].nonzero()[:, 0]
        assert [row.min(), row.max() + 1] == pytest.approx(box[::2].tolist(), abs=1.5)
        assert [column.min(), column.max() + 1] == pytest.approx(box[1::2].tolist(), abs=1.5)


def test_heads_stay_in_the_picture() -> None:
    boxes = torch.tensor([[0.3, 0.2, 0.7, 0.8]]).expand(300, -1)
    _, where = reframed(torch.zeros(300, 3, 8, 8), boxes, torch.Generator().manual_seed(1))
    size = where[:, 2:] - where[:, :2]
    assert (where[:, :2] > -0.06 * size).all()
    assert (where[:, 2:] < 1 + 0.06 * size).all()
    assert 0.6 < float(size[:, 1].min() / 0.6) < 0.65
    assert float(size[:, 1].max() / 0.6) > 1.25


def test_pictures_of_other_sizes_have_the_same_boxes() -> None:
    torch.manual_seed(0)
    finder = HeadFinder(backend=Backend()).eval()
    picture = torch.rand(1, 3, 128, 128) * 2 - 1
    doubled = picture.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.no_grad():
        assert finder(picture).shape == (1, 4)
        torch.testing.assert_close(finder(doubled), finder(picture), atol=0.02, rtol=0)
