"""Encoded videos to clips and reasons."""

import json
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage.films import QUICK, RATE, faceless, roll_film, voice, write_film
from skimage import data
from support import SMALL, random_checkpoint

from emo_core.face.detector import overlap
from emo_core.face.face_mesh import FaceMesh
from emo_core.training.footage.cutter import Cutter, Outcome
from emo_core.training.footage.extras import ExtraFiles, Extras
from emo_core.training.footage.shards import PreparedClip

FPS = 15
SHOTS = ("clip", "no face", "several faces", "short", "blurred", "exposure", "leaves the picture", "small")
FRAMES = {"clip": 30, "short": 8}
"""Of a shot, if not 18."""


def shot(name: str) -> list[np.ndarray]:
    """Pictures [400, 512, 3] that deserve this name."""
    count = FRAMES.get(name, 18)
    rolling = list(roll_film(count, 0.8, -8))
    if name == "no face":
        return list(faceless(count))
    if name == "several faces":
        return [np.hstack([cv2.resize(p[:, 64:448], (256, 400))] * 2) for p in rolling]
    if name == "blurred":
        return [cv2.GaussianBlur(p, (0, 0), 4) for p in rolling]
    if name == "exposure":
        return [(p * 0.1).astype(np.uint8) for p in rolling]
    if name == "leaves the picture":
        return [np.roll(p, -150, axis=0) for p in rolling]
    if name == "small":
        return [np.pad(cv2.resize(p, (192, 150)), ((0, 250), (160, 160), (0, 0))) for p in rolling]
    return rolling


@pytest.fixture(scope="module")
def cutter() -> Cutter:
    return Cutter(QUICK, FaceMesh(), Extras(ExtraFiles()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def outcomes(cutter: Cutter, folder: Path) -> dict[str, list[Outcome]]:
    """What became of each shot of one film."""
    shots = {name: shot(name) for name in SHOTS}
    total = sum(len(pictures) for pictures in shots.values())
    path = write_film(folder / "all.mp4", chain(*shots.values()), FPS, sound=voice(total / FPS))
    made = list(cutter.outcomes(str(path), "all.mp4"))
    found: dict[str, list[Outcome]] = {}
    start = 0.0
    for name, pictures in shots.items():
        end = start + len(pictures) / FPS
        found[name] = [outcome for outcome in made if start - 0.01 <= outcome.start < end - 0.01]
        start = end
    return found


def prepared(outcome: Outcome) -> PreparedClip:
    files = dict(outcome.files)
    return PreparedClip(outcome.key, json.loads(files.pop("json")), files)


@pytest.mark.parametrize("name", SHOTS[1:])
def test_what_is_no_clip_says_why(outcomes: dict[str, list[Outcome]], name: str) -> None:
    assert [outcome.rejected.reason for outcome in outcomes[name] if outcome.rejected] == [name]
    assert not any(outcome.files for outcome in outcomes[name])


def test_a_good_shot_becomes_one_clip_from_cut_to_cut(outcomes: dict[str, list[Outcome]]) -> None:
    (outcome,) = outcomes["clip"]
    assert outcome.rejected is None
    assert (outcome.start, outcome.end) == (0.0, pytest.approx(2.0, abs=0.01))


def test_the_clips_frames_are_the_crop_of_the_source(outcomes: dict[str, list[Outcome]]) -> None:
    clip = prepared(outcomes["clip"][0])
    frames = list(clip.frames())
    assert len(frames) == clip.meta["frames"] == 30
    x0, y0, x1, y1 = clip.meta["crop"]
    assert x1 - x0 == y1 - y0
    source = shot("clip")[20][y0:y1, x0:x1]
    difference = np.abs(cv2.resize(source, (64, 64), interpolation=cv2.INTER_AREA).astype(int) - frames[20])
    assert difference.mean() < 4


def test_the_face_is_in_its_box(outcomes: dict[str, list[Outcome]]) -> None:
    clip = prepared(outcomes["clip"][0])
    big = [cv2.resize(frame, (256, 256), interpolation=cv2.INTER_CUBIC) for frame in clip.frames()]
    (face,) = FaceMesh().find(big[15])
    assert overlap(face.box / 4, clip.rows("boxes")[15].astype(np.float64)) > 0.75
    height = clip.rows("boxes")[:, 3] - clip.rows("boxes")[:, 1]
    assert height.mean() == pytest.approx(64 / QUICK.expand, rel=0.15)


def test_speed_pose_and_mouth_have_a_row_per_frame(outcomes: dict[str, list[Outcome]]) -> None:
    clip = prepared(outcomes["clip"][0])
    shapes = {name: clip.rows(name).shape for name in ("boxes", "pose", "speed", "mouth", "mouth_open")}
    assert shapes == {
        "boxes": (30, 4),
        "pose": (30, 6),
        "speed": (30,),
        "mouth": (30, 2),
        "mouth_open": (30,),
    }
    assert clip.rows("speed").mean() == pytest.approx(0.8, abs=0.1)


def test_the_sound_belongs_to_the_frames(outcomes: dict[str, list[Outcome]]) -> None:
    sound = prepared(outcomes["clip"][0]).sound()
    assert sound.shape == (2 * RATE,)
    original = voice(2.0)
    smooth = np.ones(8) / 8  # AAC keeps what is low
    a, b = np.convolve(sound[1000:-1000], smooth), np.convolve(original[1000:-1000], smooth)
    assert np.corrcoef(a, b)[0, 1] > 0.9


def test_a_photograph_without_movement_is_no_clip(cutter: Cutter, folder: Path) -> None:
    path = write_film(folder / "still.mp4", [data.astronaut()] * 18, FPS, sound=voice(1.2))
    (outcome,) = cutter.outcomes(str(path), "still.mp4")
    assert outcome.rejected is not None
    assert outcome.rejected.reason == "still"


def test_a_silent_clip_is_rejected(cutter: Cutter, folder: Path) -> None:
    sound = voice(1.2) * 1e-4
    path = write_film(folder / "silent.mp4", roll_film(18, 0.8), FPS, sound=sound)
    (outcome,) = cutter.outcomes(str(path), "silent.mp4")
    assert outcome.rejected is not None
    assert outcome.rejected.reason == "silent"


def test_files_that_cannot_be_used_say_why(cutter: Cutter, folder: Path) -> None:
    mute = write_film(folder / "mute.mp4", roll_film(3, 0.8), FPS)
    cut_off = folder / "cut_off.mp4"  # its index is at its end
    cut_off.write_bytes(mute.read_bytes()[:-400])
    text = folder / "text.mp4"
    text.write_text("not a video")
    reasons = {}
    for path in (mute, cut_off, text):
        (outcome,) = cutter.outcomes(str(path), path.name)
        assert outcome.rejected is not None
        reasons[path.name] = (outcome.rejected.reason, outcome.rejected.detail)
    assert reasons["mute.mp4"] == ("no sound", "the file has no audio track")
    assert reasons["cut_off.mp4"][0] == "unreadable"
    assert reasons["text.mp4"] == ("unreadable", "Invalid data found when processing input")


def test_a_variable_rate_gives_a_constant_one(cutter: Cutter, folder: Path) -> None:
    """Half of the frames come late, the angle follows time: the measured speed is steady."""
    times = [number / 30 + (0.02 if number % 2 else 0) for number in range(40)]
    photos = [next(iter(roll_film(1, 0, 12 * time))) for time in times]  # 12 degrees per second
    path = write_film(folder / "vfr.mkv", photos, 30, times=times, sound=voice(1.3))
    (outcome,) = cutter.outcomes(str(path), "vfr.mkv")
    clip = prepared(outcome)
    assert clip.meta["fps"] == 15
    assert len(list(clip.frames())) == clip.meta["frames"] == len(clip.rows("speed"))
    assert clip.rows("speed").mean() == pytest.approx(12 / 15, abs=0.12)


def test_an_odd_size_is_no_obstacle(cutter: Cutter, folder: Path) -> None:
    pictures = [picture[:391, :497] for picture in roll_film(18, 0.8)]
    path = write_film(folder / "odd.mkv", pictures, FPS, sound=voice(1.2), pix_fmt="yuv444p")
    (outcome,) = cutter.outcomes(str(path), "odd.mkv")
    assert prepared(outcome).meta["source_size"] == [497, 391]


def test_latents_and_audio_states_are_kept(folder: Path) -> None:
    checkpoint = folder / "small.safetensors"
    random_checkpoint(checkpoint)
    extras = Extras(ExtraFiles(vae=checkpoint, audio_encoder=checkpoint))
    path = write_film(folder / "extras.mp4", roll_film(18, 0.8), FPS, sound=voice(1.2))
    (outcome,) = Cutter(QUICK, FaceMesh(), extras).outcomes(str(path), "extras.mp4")
    clip = prepared(outcome)
    latents, states = clip.array("latents"), clip.array("states")
    assert latents is not None
    assert states is not None
    assert latents.shape == (18, SMALL.vae.latent_channels, 8, 8)
    assert states.shape[0] == 18
    assert states.shape[2] == SMALL.audio.width
    again = extras.latents(list(clip.frames())[:8])
    assert np.corrcoef(again.ravel(), latents[:8].ravel())[0, 1] > 0.99  # H.264 changes little
