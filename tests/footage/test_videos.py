"""Reading real files: time stamps decide, whatever the rate, size, turn or damage."""

from pathlib import Path

import numpy as np
import pytest
from footage.films import RATE, write_film

from emo_core.training.footage.scenes import Span, cut_scenes, find_scenes
from emo_core.training.footage.settings import Settings
from emo_core.training.footage.videos import Video, list_videos, video_url


def greys(levels: list[int], size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    """Pictures of one brightness each."""
    return [np.full((size[1], size[0], 3), level, np.uint8) for level in levels]


def levels(video: Video, start: float, count: int, fps: float) -> list[int]:
    return [round(float(picture.mean())) for picture in video.pictures(start, count, fps)]


def test_a_frame_is_shown_until_the_next_one_at_any_rate(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.5, 0.55, 1.0]  # a variable frame rate
    write_film(tmp_path / "a.mkv", greys([20, 60, 100, 140, 180]), times=times)
    with Video(str(tmp_path / "a.mkv")) as video:
        shown = levels(video, 0.0, 12, 10)
    # middles of tenths of a second: 0.05, 0.15 ... 1.15
    np.testing.assert_allclose(shown, [20, 60, 60, 60, 60, 140, 140, 140, 140, 140, 180, 180], atol=4)


def test_reading_starts_anywhere(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mp4", greys(list(range(10, 250, 4))), 30, gop=20)
    with Video(str(tmp_path / "a.mp4")) as video:
        np.testing.assert_allclose(levels(video, 25 / 30, 3, 30), [110, 114, 118], atol=3)
        np.testing.assert_allclose(levels(video, 3 / 30, 2, 30), [22, 26], atol=3)


def test_odd_sizes_keep_every_pixel(tmp_path: Path) -> None:
    picture = np.zeros((97, 131, 3), np.uint8)
    picture[-1, :, 0] = picture[:, -1, 1] = 255
    write_film(tmp_path / "odd.mkv", [picture] * 5, codec="ffv1", pix_fmt="bgr0")
    with Video(str(tmp_path / "odd.mkv")) as video:
        (read,) = video.pictures(0.0, 1, 15)
    np.testing.assert_array_equal(read, picture)


def test_a_video_taken_with_a_turned_phone_is_upright(tmp_path: Path) -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48] = 255  # white in the top left corner
    path = write_film(tmp_path / "turned.mp4", [picture] * 5)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40  # of the track header: 90 degrees clockwise
    quarter = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    content[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter)
    path.write_bytes(content)
    with Video(str(path)) as video:
        (read,) = video.pictures(0.0, 1, 15)
    assert read.shape == (96, 64, 3)
    assert read[:40, 40:].mean() > 200 > 60 > read[:40, :24].mean()  # now in the top right one


def test_sound_stays_at_its_time(tmp_path: Path) -> None:
    samples = np.zeros(3 * RATE, np.float32)
    samples[2 * RATE : 2 * RATE + 800] = 0.5
    write_film(tmp_path / "a.mp4", greys([90] * 45), 15, sound=samples)
    with Video(str(tmp_path / "a.mp4")) as video:
        heard = video.sound(1.0, 1.5, RATE)
    assert heard.shape == (24000,)
    loud = np.flatnonzero(np.abs(heard) > 0.2)
    assert loud[0] == pytest.approx(RATE, abs=300)
    assert loud[-1] == pytest.approx(RATE + 800, abs=300)


def test_what_the_file_does_not_have_is_silence(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mp4", greys([90] * 30), 15, sound=np.full(RATE, 0.1, np.float32))
    with Video(str(tmp_path / "a.mp4")) as video:
        assert not video.sound(1.5, 0.5, RATE).any()


def test_damage_is_noted_and_reading_goes_on(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 96, 3)).astype(np.uint8)
    path = write_film(tmp_path / "a.mkv", noise, 20)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    with Video(str(path)) as video:
        times = [time for time, _ in video.frames()]
    assert any(0.5 < time < 1.6 for time in video.damage)
    assert times[-1] == pytest.approx(39 / 20, abs=0.01)


@pytest.mark.parametrize("gap", [0.0, 0.4])
def test_cuts_are_found_where_they_are(tmp_path: Path, gap: float) -> None:
    rng = np.random.default_rng(1)
    shots = [rng.integers(0, 255, (6, 8, 3)).repeat(12, 0).repeat(12, 1).astype(np.uint8) for _ in range(3)]
    pictures = [np.roll(shot, number, axis=1) for shot in shots for number in range(20)]
    times = [number / 20 + gap * (number >= 30) for number in range(60)]  # a pause in the second shot
    write_film(tmp_path / "a.mkv", pictures, 20, times=times)
    with Video(str(tmp_path / "a.mkv")) as video:
        scenes = find_scenes(video)
    expected = [(0.0, 1.0), (1.0, 2.0 + gap), (2.0 + gap, 3.0 + gap)]
    np.testing.assert_allclose([(scene.start, scene.end) for scene in scenes], expected, atol=0.002)


def test_long_scenes_become_equal_pieces_and_short_ones_are_named() -> None:
    settings = Settings(shortest=3, longest=12)
    first, short, *rest = cut_scenes([Span(0, 5), Span(5, 7), Span(7, 32)], settings)
    assert first == Span(0, 5)
    assert isinstance(short, tuple)
    assert (short[1].reason, short[1].detail) == ("short", "scene of 2.00 s, want 3 s")
    assert [(round(piece.start, 3), round(piece.end, 3)) for piece in rest if isinstance(piece, Span)] == [
        (7, 15.333),
        (15.333, 23.667),
        (23.667, 32),
    ]


def test_videos_are_listed_below_any_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/two.MP4", "one.mkv", "notes.txt"):
        (tmp_path / name).write_bytes(b"12")
    listed = list_videos(str(tmp_path))
    assert [(video.name, video.size) for video in listed] == [("b/two.MP4", 2), ("one.mkv", 2)]
    assert video_url(str(tmp_path), "b/two.MP4").endswith(f"{tmp_path}/b/two.MP4")
    assert [video.name for video in list_videos(str(tmp_path / "one.mkv"))] == ["one.mkv"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no videos below"):
        list_videos(str(tmp_path / "empty"))
