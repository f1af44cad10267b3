"""What a performance promises to those who render and learn from it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from emo_core.training.synthetic.behaviour import SWIFT, blinks, head_turns, limits_of, perform
from emo_core.training.synthetic.espeak import EspeakError, Synthesiser
from emo_core.training.synthetic.head_motion import LIMITS, random_speed, rotation_speed, walk
from emo_core.training.synthetic.prosody import Prosody, measure
from emo_core.training.synthetic.types import TRACKS, Performance

FPS = 25.0


@pytest.fixture(scope="module")
def clips() -> list[Performance]:
    try:
        synthesiser = Synthesiser()
    except EspeakError as error:
        pytest.skip(str(error))
    return [perform(seed, 6.0, FPS, "train", False, synthesiser=synthesiser) for seed in range(20)]


def column(clip: Performance, name: str) -> np.ndarray:
    return clip.tracks[:, TRACKS.index(name)]


def test_a_clip_has_one_row_per_frame_and_its_sound(clips: list[Performance]) -> None:
    for clip in clips:
        assert clip.tracks.shape == (150, len(TRACKS))
        assert clip.tracks.dtype == clip.waveform.dtype == clip.speed.dtype == np.float32
        assert len(clip.waveform) == 6 * clip.sample_rate
        assert np.isfinite(clip.tracks).all()


def test_the_same_seed_gives_the_same_clip_and_splits_differ(clips: list[Performance]) -> None:
    again, other = (perform(4, 6.0, FPS, split, False) for split in ("train", "test"))
    np.testing.assert_array_equal(again.tracks, clips[4].tracks)
    np.testing.assert_array_equal(again.waveform, clips[4].waveform)
    assert not np.array_equal(other.waveform, again.waveform)


def test_every_track_stays_within_its_range(clips: list[Performance]) -> None:
    signed, unsigned = ("width", "smile", "brow", "gaze_x", "gaze_y"), ("open", "round", "blink")
    limits = dict.fromkeys(signed, (-1, 1)) | dict.fromkeys(unsigned, (0, 1))
    widest = limits_of(max(clip.speed.mean() for clip in clips))
    limits |= {name: (-limit, limit) for name, limit in zip(("yaw", "pitch", "roll"), widest, strict=True)}
    limits |= {"shift_x": (-0.06, 0.06), "shift_y": (-0.06, 0.06), "scale": (0.92, 1.08)}
    assert set(limits) == set(TRACKS)
    for name, (low, high) in limits.items():
        values = np.stack([column(clip, name) for clip in clips])
        assert low - 1e-5 <= values.min(), name
        assert values.max() <= high + 1e-5, name


def test_the_mouth_is_shut_in_pauses_and_moves_in_speech(clips: list[Performance]) -> None:
    for clip in clips:
        assert column(clip, "open").min() < 0.02
        assert column(clip, "open").max() > 0.3


def test_brows_follow_the_pitch_of_the_recorded_sound(clips: list[Performance]) -> None:
    correlations = []
    for clip in clips:
        pitch = measure(clip.waveform).relative_pitch[2::4]  # 25 values a second, at the frames' middles
        heard = ~np.isnan(pitch)
        correlations.append(np.corrcoef(pitch[heard], column(clip, "brow")[heard])[0, 1])
    assert np.median(correlations) >= 0.7


def test_eyes_blink_ten_to_twenty_five_times_a_minute_and_close_fully(clips: list[Performance]) -> None:
    minutes = sum(len(clip.tracks) for clip in clips) / FPS / 60
    shut = [column(clip, "blink") > 0.99 for clip in clips]
    count = sum(int(np.sum(eyes[1:] & ~eyes[:-1])) for eyes in shut)
    assert 10 <= count / minutes <= 25


def test_eyes_close_where_a_pause_begins() -> None:
    loud = np.ones(800, np.float32)
    loud[300:400] = 0  # from 3 to 4 s
    prosody = Prosody(rms=0.1 * loud, f0=120 * loud, brightness=loud)
    at = (np.arange(200) + 0.5) / FPS
    for seed in range(5):
        lids = blinks(np.random.default_rng(seed), prosody, at)
        assert lids[(at > 3.05) & (at < 3.25)].max() == 1


@pytest.mark.parametrize("asked", [0.1, 0.5, 1.0, 2.0])
def test_the_head_keeps_the_asked_speed(asked: float) -> None:
    speeds = [rotation_speed(walk(np.random.default_rng(i), 100, FPS, asked)).mean() for i in range(30)]
    assert np.mean(speeds) == pytest.approx(asked, rel=0.15)


@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_walk_of_a_few_frames_stays_within_its_limits(count: int) -> None:
    walks = np.stack([walk(np.random.default_rng(seed), count, FPS, 2.0) for seed in range(300)])
    assert (np.abs(walks) <= LIMITS).all()


@pytest.mark.parametrize("asked", [0.0, 0.1, 0.5, 1.5])
@pytest.mark.parametrize("singing", [False, True])
def test_a_clip_has_the_asked_speed(asked: float, singing: bool) -> None:
    if singing:
        pytest.importorskip("pyworld", exc_type=ImportError)
    assert perform(3, 4.0, FPS, "train", singing, speed=asked).speed.mean() == pytest.approx(asked, abs=0.02)


@pytest.mark.parametrize("asked", [1.2, 2.4])
def test_fast_heads_turn_wider_and_do_not_jitter(asked: float) -> None:
    """What a steady look sees of the movement grows with it."""
    clips = [perform(seed, 3.0, FPS, "train", False, speed=asked) for seed in range(6)]
    heads = [np.stack([column(clip, name) for name in ("yaw", "pitch", "roll")], axis=1) for clip in clips]
    seen = [rotation_speed(gaussian_filter1d(head, 1.5, axis=0)).mean() for head in heads]
    assert np.mean(seen) > 0.65 * asked
    assert max(np.abs(head).max() for head in heads) > LIMITS[0]
    np.testing.assert_array_equal(limits_of(SWIFT), LIMITS)


def test_the_head_turns_with_the_sound(clips: list[Performance]) -> None:
    """What the recording alone says of the head, which is what a network hears."""
    for axis, name in enumerate(("yaw", "pitch", "roll")):
        agreement = []
        for clip in clips:
            if 0.1 < clip.speed.mean() < 0.6:  # faster heads follow quicker changes
                said = head_turns(measure(clip.waveform))[2::4, axis]  # 25 values a second
                agreement.append(np.corrcoef(said, column(clip, name))[0, 1])
        assert len(agreement) >= 5
        assert np.median(agreement) >= 0.8, name


def test_speed_is_the_angle_between_successive_heads() -> None:
    angles = np.array([[0, 0, 0], [3, 0, 0], [3, 0, 0.5]])
    np.testing.assert_allclose(rotation_speed(angles), [3, 3, 0.5], rtol=1e-5)


def test_speeds_are_mostly_those_of_speech() -> None:
    rng = np.random.default_rng(0)
    speeds = np.array([random_speed(rng) for _ in range(2000)])
    assert speeds.min() == 0
    assert speeds.max() <= 2.4
    assert np.mean((speeds >= 0.08) & (speeds <= 1.25)) > 0.7


def test_less_than_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="ask for at least"):
        perform(0, 0.01, FPS, "train")
