"""Rendered heads know how they move: the measured speed, mouth and sync against the truth, through an encoded video."""

from dataclasses import dataclass

import numpy as np
import pytest
from footage.films import RATE, voice, write_film

pytest.importorskip("anny", reason="rendered heads need the training packages")

from emo_core.face.face_mesh import MESH, FaceMesh
from emo_core.training.footage.clips import Measures, judge_sound, measure
from emo_core.training.footage.settings import Settings
from emo_core.training.footage.sync import loudness, measure_sync
from emo_core.training.footage.tracks import follow_face
from emo_core.training.footage.videos import Video
from emo_core.training.synthetic.head_motion import rotation_speed, walk
from emo_core.training.synthetic.heads import HeadWorld
from emo_core.training.synthetic.types import FaceState

FRAMES, FPS, SIZE = 60, 30.0, 256
ASKED = {1: 0.15, 2: 0.5, 5: 1.0, 7: 1.7}
"""Head speed, degrees per frame, by identity."""
FAR = np.array((30.0, 20.0, 18.0))
"""Largest angles of heads in footage, degrees; those of emo-tiny's clips turn less."""


@dataclass(frozen=True)
class Take:
    """One head's truth and what was measured on its video."""

    speed: np.ndarray
    open: np.ndarray
    measures: Measures


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> list[Take]:
    world, finder, made = HeadWorld(), FaceMesh(), []
    for identity, asked in ASKED.items():
        rng = np.random.default_rng(identity)
        angles = walk(rng, FRAMES, FPS, asked, limits=FAR)
        syllables = np.abs(np.convolve(rng.standard_normal(FRAMES + 4), np.ones(5) / 5, "valid"))
        mouth = np.clip(1.2 * syllables, 0, 0.8)
        portrait = world.portrait(identity)
        pictures = (
            portrait.render(FaceState(open=float(lips), yaw=yaw, pitch=pitch, roll=roll), SIZE)[0]
            for lips, (yaw, pitch, roll) in zip(mouth, angles.tolist(), strict=True)
        )
        path = write_film(tmp_path_factory.mktemp("heads") / "head.mp4", pictures, FPS)
        with Video(str(path)) as video:
            track = follow_face(video.pictures(0.0, FRAMES, FPS), finder)
        assert set(track.states) == {""}
        made.append(Take(rotation_speed(angles), mouth, measure(track, MESH, FPS)))
    return made


def test_the_measured_speed_follows_the_heads(takes: list[Take]) -> None:
    truth = np.concatenate([take.speed for take in takes])
    measured = np.concatenate([take.measures.speed for take in takes])
    assert np.corrcoef(truth, measured)[0, 1] > 0.85
    assert np.abs(truth - measured).mean() < 0.25


def test_a_clips_mean_speed_is_that_of_the_head(takes: list[Take]) -> None:
    truth = np.array([take.speed.mean() for take in takes])
    measured = np.array([take.measures.speed.mean() for take in takes])
    assert np.corrcoef(truth, measured)[0, 1] > 0.97
    np.testing.assert_allclose(measured, truth, atol=0.25)


def test_the_mouth_is_measured(takes: list[Take]) -> None:
    for take in takes:
        assert np.corrcoef(take.open, take.measures.mouth_open)[0, 1] > 0.7


@pytest.mark.parametrize("late", [-9, 0, 6])
def test_a_shift_between_mouth_and_sound_is_found(takes: list[Take], late: int) -> None:
    """The sound is made from the mouth and moved: a mouth that is `late` frames late."""
    settings = Settings()
    for take in takes:
        sound = np.roll(voice(FRAMES / FPS, take.open, FPS), -round(late * RATE / FPS))
        curve = loudness(sound, RATE, FRAMES, FPS)
        sync = measure_sync(take.measures.mouth_open / take.measures.height, curve, FPS)
        assert abs(sync.lag - late) <= 1
        assert sync.correlation > 0.5
        _, rejected = judge_sound(take.measures, sound, settings)
        assert (rejected.reason if rejected else None) == (
            None if abs(late) <= settings.lag else "out of sync"
        )
