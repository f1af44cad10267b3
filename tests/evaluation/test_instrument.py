"""The instrument: shapes, patches that turn with the face, labels that move with the picture, its own accuracy."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emo_core.evaluation.instrument import BUILT_IN, MEASURES, Instrument, patch
from emo_core.training.instrument import accuracy
from emo_core.training.instrument_pictures import disturb, move
from emo_core.training.synthetic import behaviour
from emo_core.training.synthetic.clip_plan import ClipPlan
from emo_core.training.synthetic.clip_shards import ClipShards
from emo_core.training.synthetic.clips import make_clips


def test_readings_are_in_the_pixels_of_the_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    torch.manual_seed(0)
    small = Instrument().eval().measure(frames)
    large = Instrument.measure(_same(), frames.repeat(2, 1).repeat(2, 2))
    assert small.tracks.shape == (3, len(MEASURES))
    assert small.identity.shape == (3, 64)
    np.testing.assert_allclose(np.linalg.norm(small.identity, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(2 * small.boxes, large.boxes, rtol=1e-4, atol=1e-3)


def _same() -> Instrument:
    torch.manual_seed(0)
    return Instrument().eval()


def test_a_patch_follows_the_angle() -> None:
    picture = torch.zeros(1, 3, 64, 64)
    picture[:, :, 32:36, 48:52] = 1  # to the right of the middle
    centre, side = torch.tensor([[0.5, 0.5]]), torch.tensor([0.8])
    straight = patch(picture, centre, side, torch.zeros(1), 16)[0, 0]
    turned = patch(picture, centre, side, torch.tensor([torch.pi / 2]), 16)[0, 0]
    assert _brightest(straight)[1] > 11
    assert _brightest(turned)[0] < 4  # the face looks down along +x, so what is right in the picture is above


def _brightest(picture: torch.Tensor) -> tuple[int, int]:
    row, column = divmod(int(picture.argmax()), picture.shape[1])
    return row, column


def test_labels_move_with_the_picture() -> None:
    picture = torch.zeros(8, 3, 64, 64)
    picture[:, :, 20:24, 40:44] = 1
    point = torch.full((8, 12, 2), 0.0) + torch.tensor([42 / 64, 22 / 64])
    box = torch.tensor([[40, 20, 44, 24]]).repeat(8, 1) / 64
    tracks = torch.ones(8, len(MEASURES))
    moved, points, boxes, turned = move(picture, point, box, tracks, torch.Generator().manual_seed(3))
    for image, place, edges, track in zip(moved, points, boxes, turned, strict=True):
        weight = image[0] / image[0].sum()
        at = (torch.arange(64) + 0.5) / 64
        found = torch.stack([(weight.sum(0) * at).sum(), (weight.sum(1) * at).sum()])
        torch.testing.assert_close(place[0], found, atol=0.005, rtol=0)
        torch.testing.assert_close((edges[:2] + edges[2:]) / 2, found, atol=0.005, rtol=0)
        assert track[MEASURES.index("yaw")] == track[MEASURES.index("roll")]
        assert track[MEASURES.index("open")] == 1
    assert {float(track[MEASURES.index("yaw")]) for track in turned} == {1.0, -1.0}


def test_disturbed_pictures_are_still_the_same_pictures() -> None:
    pictures = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    changed = disturb(pictures, torch.Generator().manual_seed(1))
    assert changed.shape == pictures.shape
    assert not torch.equal(changed, pictures)
    assert torch.corrcoef(torch.stack([pictures.flatten(), changed.flatten()]))[0, 1] > 0.5


@pytest.mark.slow
@pytest.mark.skipif(not BUILT_IN.is_file(), reason="no trained instrument in the assets")
def test_the_trained_instrument_reads_people_it_has_never_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behaviour, "LIMITS", (30.0, 20.0, 18.0))  # heads turn as far as those it has learned from
    make_clips(
        tmp_path, 4, ClipPlan(seed=9, split="validation", frames=50, drawn_share=1.0, singing_share=0.0)
    )
    rows = {row.name: row for row in accuracy(Instrument.open(), ClipShards(tmp_path), None, step=1)}
    assert rows["open"].within > 0.9
    assert rows["yaw"].pooled > 0.9
