"""The instrument: shapes, patches that turn with the face, references, views to learn from, its own accuracy."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emo_core.animate import BUILT_IN as EMO_TINY
from emo_core.animate import Animator
from emo_core.backend import Backend
from emo_core.evaluation.instrument import BUILT_IN, MEASURES, Instrument, patch
from emo_core.models.vae import AutoencoderKL
from emo_core.training.instrument import InstrumentTask, accuracy, accuracy_of_views
from emo_core.training.instrument_pictures import COUNTS, Views, disturb, make_views, move, open_views
from emo_core.training.synthetic import behaviour
from emo_core.training.synthetic.clip_plan import ClipPlan
from emo_core.training.synthetic.clip_shards import ClipShards
from emo_core.training.synthetic.clips import make_clips
from emo_core.training.tiny import tiny_config


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


def _pictures(seed: int, count: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (count, side, side, 3), dtype=np.uint8)


def test_what_one_picture_cannot_tell_is_read_beside_a_reference() -> None:
    frames, (one, other) = _pictures(0, 3), _pictures(1, 2)
    beside_one, beside_other = _same().measure(frames, one), _same().measure(frames, other)
    for same in ("landmarks", "boxes", "identity"):
        np.testing.assert_array_equal(getattr(beside_one, same), getattr(beside_other, same))
    assert (beside_one.tracks != beside_other.tracks).all()
    assert (beside_one.lids != beside_other.lids).all()


def test_without_a_reference_it_is_the_first_frame() -> None:
    frames = _pictures(0, 3)
    np.testing.assert_array_equal(_same().measure(frames).tracks, _same().measure(frames, frames[0]).tracks)


def test_frames_are_read_in_batches_as_at_once() -> None:
    frames = _pictures(0, 5)
    at_once, in_batches = _same().measure(frames), _same().measure(frames, batch=2)
    np.testing.assert_allclose(at_once.tracks, in_batches.tracks, rtol=1e-4, atol=1e-5)


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
    references = torch.zeros(4, 3, 64, 64)  # of two pictures each
    references[:, :, :, 40:] = 1
    generator = torch.Generator().manual_seed(5)
    moved, beside, points, boxes, turned = move(picture, references, point, box, tracks, generator)
    for image, place, edges, track in zip(moved, points, boxes, turned, strict=True):
        weight = image[0] / image[0].sum()
        at = (torch.arange(64) + 0.5) / 64
        found = torch.stack([(weight.sum(0) * at).sum(), (weight.sum(1) * at).sum()])
        torch.testing.assert_close(place[0], found, atol=0.005, rtol=0)
        torch.testing.assert_close((edges[:2] + edges[2:]) / 2, found, atol=0.005, rtol=0)
        assert track[MEASURES.index("yaw")] == track[MEASURES.index("roll")]
        assert track[MEASURES.index("open")] == 1
    yaw = turned[:, MEASURES.index("yaw")]
    assert set(yaw.tolist()) == {1.0, -1.0}
    mirrored = beside[:, :, :, :20].mean((1, 2, 3)) > beside[:, :, :, 44:].mean((1, 2, 3))
    torch.testing.assert_close(yaw, torch.where(mirrored, -1.0, 1.0).repeat_interleave(2))


def test_disturbed_pictures_are_still_the_same_pictures() -> None:
    pictures = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    changed = disturb(pictures, torch.Generator().manual_seed(1))
    assert changed.shape == pictures.shape
    assert not torch.equal(changed, pictures)
    assert torch.corrcoef(torch.stack([pictures.flatten(), changed.flatten()]))[0, 1] > 0.5


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipShards:
    folder = tmp_path_factory.mktemp("posed")
    plan = ClipPlan(seed=4, split="validation", size=32, frames=6, portraits=1, drawn_share=1.0, posed=True)
    make_clips(folder, 33, plan)
    return ClipShards(folder)


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(tiny_config().vae, backend=Backend()).eval()


def test_views_are_pictures_of_one_person_with_what_is_true(
    clips: ClipShards, vae: AutoencoderKL, tmp_path: Path
) -> None:
    make_views(clips, vae, tmp_path, raw=1.0)
    views = open_views(tmp_path)
    assert views.pictures.shape == (32, sum(COUNTS) + 2, 32, 32, 3)  # whole files alone
    assert views.landmarks.shape[:2] == views.boxes.shape[:2] == views.tracks.shape[:2] == (32, sum(COUNTS))
    for clip in range(32):
        for picture, box in zip(views.pictures[clip, : COUNTS[0]], views.boxes[clip], strict=False):
            same = [(frame == picture).all() for frame in clips.frames(clip)]
            assert any(same)
            np.testing.assert_allclose(box * 32, clips.boxes(clip)[same.index(True)], atol=1e-4)
        assert (views.pictures[clip, -1] == clips.portraits(clip)[0]).all()
    turned = np.abs(views.tracks[:, COUNTS[0] :, MEASURES.index("yaw")])
    assert turned.max() > 15  # posed anew, further than in the clips


def test_views_go_through_the_vae_and_are_kept(clips: ClipShards, vae: AutoencoderKL, tmp_path: Path) -> None:
    make_views(clips, vae, tmp_path, raw=0.0)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    make_views(clips, vae, tmp_path, raw=1.0)
    assert file.stat().st_mtime_ns == before
    assert (open_views(tmp_path).pictures[:, -1] != np.stack([clips.portraits(i)[0] for i in range(32)])).any()


def test_a_step_teaches_every_weight() -> None:
    rng = np.random.default_rng(0)
    views = Views(
        rng.integers(0, 255, (6, 6, 128, 128, 3), dtype=np.uint8),
        rng.normal(0, 0.3, (6, 4, len(MEASURES))).astype(np.float32),
        rng.random((6, 4, 12, 2), dtype=np.float32),
        np.tile(np.array([0.2, 0.2, 0.8, 0.8], np.float32), (6, 4, 1)),
    )
    torch.manual_seed(0)
    task = InstrumentTask(views, identities=4)
    task.loss(torch.Generator().manual_seed(0)).backward()
    silent = [name for name, p in task.model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@pytest.mark.slow
@pytest.mark.skipif(not BUILT_IN.is_file(), reason="no trained instrument in the assets")
def test_the_trained_instrument_reads_people_it_has_never_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behaviour, "LIMITS", (30.0, 20.0, 18.0))  # heads turn as far as those it has learned from
    plan = ClipPlan(seed=9, split="validation", frames=50, drawn_share=1.0, singing_share=0.0)
    make_clips(tmp_path / "clips", 4, plan)
    rows = {row.name: row for row in accuracy(Instrument.open(), ClipShards(tmp_path / "clips"), None, step=1)}
    assert rows["open"].within > 0.9
    assert rows["yaw"].pooled > 0.9


@pytest.mark.slow
def test_the_trained_instrument_reads_faces_in_all_poses(tmp_path: Path) -> None:
    plan = ClipPlan(seed=9, split="validation", frames=6, portraits=1, drawn_share=1.0, posed=True)
    make_clips(tmp_path / "faces", 32, plan)
    make_views(ClipShards(tmp_path / "faces"), Animator.open(EMO_TINY).vae, tmp_path / "views", noise=0.0, raw=0.0)
    rows = {row.name: row for row in accuracy_of_views(Instrument.open(), open_views(tmp_path / "views"))}
    for name in ("open", "blink", "brow", "yaw", "pitch", "roll", "mouth corners, px apart"):
        assert rows[name].within > 0.9, name
