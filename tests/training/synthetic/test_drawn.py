"""Drawn portraits: determinism, exact truth, and every control visible where it should be."""

import dataclasses

import cv2
import numpy as np
import pytest

from emo_core.training.synthetic.drawn import drawn_portrait
from emo_core.training.synthetic.drawn_hair import STYLES
from emo_core.training.synthetic.drawn_identity import HAIRS, plain, sample_identity
from emo_core.training.synthetic.drawn_palette import MOUTH_INTERIOR, clear_of_mouth
from emo_core.training.synthetic.types import FaceState

EXTREMES = [
    FaceState(),
    FaceState(open=1, yaw=35, pitch=20, roll=25, gaze_x=1, brow=1),
    FaceState(open=0.5, width=-1, round=1, smile=-1, yaw=-35, pitch=-20, roll=-25, blink=1, brow=-1),
]


def test_a_seed_always_gives_the_same_picture_and_another_seed_another() -> None:
    first, again = (drawn_portrait(5).render(EXTREMES[1], 64)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - drawn_portrait(6).render(EXTREMES[1], 64)[0]).mean() > 5


@pytest.mark.parametrize("state", EXTREMES)
def test_every_style_renders_with_truth_of_the_promised_form(state: FaceState) -> None:
    for seed in range(60):
        frame, truth = drawn_portrait(seed).render(state, 96)
        assert frame.shape == (96, 96, 3)
        assert frame.dtype == np.uint8
        assert truth.landmarks.shape == (12, 2)
        assert truth.landmarks.dtype == np.float32
        assert truth.box.shape == (4,)
        assert (truth.box[2:] > truth.box[:2]).all()


def test_hair_styles_are_all_drawn_and_all_in_the_table() -> None:
    assert set(HAIRS) == set(STYLES) == {sample_identity(seed).hair.style for seed in range(400)}


def test_nothing_but_the_open_mouth_is_dark_maroon() -> None:
    for seed in range(300):
        who = sample_identity(seed)
        tones = (
            who.skin,
            who.manner.shade,
            who.hair.colour,
            who.mouth.colour,
            who.hair.beard_colour,
            who.clothes.cloth,
            who.clothes.second,
        )
        assert all(clear_of_mouth(tone, 40) for tone in tones), (seed, tones)


def _interior(frame: np.ndarray) -> np.ndarray:
    return np.linalg.norm(frame.astype(float) - MOUTH_INTERIOR, axis=-1) < 20


@pytest.mark.parametrize("seed", range(8))
def test_the_interior_lies_between_the_measured_lips_and_grows_with_opening(seed: int) -> None:
    portrait = drawn_portrait(seed)
    areas = []
    for opening in (0.0, 0.4, 1.0):
        frame, truth = portrait.render(FaceState(open=opening), 256)
        rows, columns = np.nonzero(_interior(frame))
        areas.append(len(rows))
        if opening:
            left, right, upper, lower = (
                truth.landmarks[3],
                truth.landmarks[4],
                truth.landmarks[5],
                truth.landmarks[6],
            )
            assert upper[1] - 2 <= rows.min()
            assert rows.max() <= lower[1] + 2
            assert left[0] - 2 <= columns.min()
            assert columns.max() <= right[0] + 2
    assert areas[0] < 0.05 * areas[1]
    assert areas[1] < 0.7 * areas[2]


def test_width_rounding_and_smile_move_the_mouth_corners() -> None:
    portrait = drawn_portrait(3)

    def corners(**controls: float) -> np.ndarray:
        return portrait.render(FaceState(**controls), 128)[1].landmarks[3:5]

    span = {
        name: np.ptp(corners(**{name: value})[:, 0])
        for name, value in (("width", 1), ("round", 1), ("open", 0))
    }
    narrow = np.ptp(corners(width=-1)[:, 0])
    assert span["width"] > 1.2 * span["open"] > 1.2 * 1.2 * narrow
    assert span["round"] < 0.6 * span["open"]
    assert corners(smile=1)[:, 1].mean() < corners()[:, 1].mean() - 1.5
    assert corners(smile=-1)[:, 1].mean() > corners()[:, 1].mean() + 1.5


def test_the_truth_follows_the_pose() -> None:
    portrait = drawn_portrait(4)
    _, still = portrait.render(FaceState(), 128)
    _, moved = portrait.render(FaceState(shift_x=0.1, shift_y=-0.05), 128)
    np.testing.assert_allclose(moved.landmarks - still.landmarks, np.tile([12.8, -6.4], (12, 1)), atol=1e-3)
    _, grown = portrait.render(FaceState(scale=1.2), 128)
    np.testing.assert_allclose(np.diff(grown.box[[1, 3]]), 1.2 * np.diff(still.box[[1, 3]]), rtol=1e-3)
    _, tilted = portrait.render(FaceState(roll=20), 128)
    eyes = tilted.landmarks[1] - tilted.landmarks[0]
    assert np.degrees(np.arctan2(eyes[1], eyes[0])) == pytest.approx(20, abs=0.5)


def test_a_turn_shows_as_parallax_between_nose_eyes_and_silhouette() -> None:
    portrait = drawn_portrait(4)
    still, turned = (portrait.render(FaceState(yaw=yaw), 128)[1].landmarks for yaw in (0, 20))
    shift = (turned - still)[:, 0]
    assert shift[2] > shift[0] + 1
    assert shift[2] > shift[1] + 1
    assert shift[0] > shift[10] + 3
    assert shift[1] > abs(shift[11]) + 3
    risen = portrait.render(FaceState(pitch=20), 128)[1].landmarks
    assert risen[2, 1] < still[2, 1] - 5


@pytest.mark.parametrize("change", [{"blink": 1.0}, {"gaze_x": 1.0}, {"gaze_y": -1.0}])
def test_lids_and_iris_change_the_eyes_only(change: dict[str, float]) -> None:
    portrait = drawn_portrait(2)
    still, truth = portrait.render(FaceState(), 256)
    moved, _ = portrait.render(FaceState(**change), 256)
    changed = np.abs(still.astype(int) - moved).sum(axis=2) > 60
    allowed = np.zeros(changed.shape, np.uint8)
    reach = 2 * portrait.identity.eyes.half_width * portrait.identity.place.radius * 256
    for x, y in truth.landmarks[:2]:
        cv2.circle(allowed, (int(x), int(y)), int(reach), 1, -1)
    assert changed.sum() > 80
    assert not (changed & (allowed == 0)).any()


def test_brows_move_clearly_both_ways() -> None:
    portrait = drawn_portrait(1)
    low, middle, high = (
        portrait.render(FaceState(brow=b), 128)[1].landmarks[8:10, 1].mean() for b in (-1, 0, 1)
    )
    assert low - middle > 1
    assert middle - high > 3


def test_seeds_give_distinct_identities() -> None:
    forms = {tuple(dataclasses.asdict(sample_identity(seed))["eyes"].values()) for seed in range(500)}
    assert len(forms) == 500


def test_a_plain_cartoon_is_the_same_person_without_lips_or_shadows() -> None:
    for seed in range(40):
        who, cartoon = sample_identity(seed), plain(sample_identity(seed))
        kept = ("place", "head", "skin", "hair", "worn", "clothes")
        assert all(getattr(who, name) == getattr(cartoon, name) for name in kept)
        assert cartoon.manner.shading == 0
        assert max(cartoon.mouth.upper, cartoon.mouth.lower) < 0.02 < min(who.mouth.upper, who.mouth.lower) + 0.005
        assert cartoon.brows.y + cartoon.brows.thickness < cartoon.eyes.y - cartoon.eyes.half_height
        assert cartoon.eyes.half_width < cartoon.eyes.apart


@pytest.mark.parametrize("seed", range(8))
def test_a_plain_cartoon_opens_its_mouth_closes_its_eyes_and_tells_the_truth_of_it(seed: int) -> None:
    portrait = drawn_portrait(seed, as_cartoon=True)
    still, opened, shut = (portrait.render(FaceState(**state), 128) for state in ({}, {"open": 0.8}, {"blink": 1.0}))
    assert _interior(opened[0]).sum() > _interior(still[0]).sum() + 60
    (_, above), (_, below) = opened[1].landmarks[5:7]
    assert below - above > 6
    assert np.abs(shut[0].astype(int) - still[0]).max() > 60
    again = drawn_portrait(seed, as_cartoon=True).render(FaceState(), 128)[0]
    np.testing.assert_array_equal(still[0], again)
    assert np.abs(drawn_portrait(seed).render(FaceState(), 128)[0].astype(int) - again).mean() > 0.5


def test_some_plain_cartoons_smile_and_some_are_askew_whatever_the_face_does() -> None:
    def mouths(*, as_cartoon: bool) -> tuple[np.ndarray, np.ndarray]:
        """How far the corners lie above the middle of closed lips, and the right one above the left, px."""
        faces = [drawn_portrait(seed, as_cartoon=as_cartoon).render(FaceState(), 128)[1] for seed in range(40)]
        heights = np.stack([face.landmarks[3:7, 1] for face in faces])
        return heights[:, 2:].mean(1) - heights[:, :2].mean(1), heights[:, 0] - heights[:, 1]

    smiles, tilts = mouths(as_cartoon=True)
    assert 10 < (smiles > 0.5).sum() < 35
    assert 5 < (np.abs(tilts) > 0.5).sum() < 25
    smiles, tilts = mouths(as_cartoon=False)
    assert max(np.abs(smiles).max(), np.abs(tilts).max()) < 0.3
