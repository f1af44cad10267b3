"""Video files: exact lengths, sound in place, nothing half done."""

from pathlib import Path

import av
import pytest
import torch

from emo_core.media.video import Sound, VideoWriter, frame_rate, read_frames, read_sound


def noise(seconds: float, rate: int, channels: int = 1) -> Sound:
    """A quiet sound."""
    generator = torch.Generator().manual_seed(0)
    return Sound(0.1 * torch.randn(channels, round(seconds * rate), generator=generator), rate)


def write(path: Path, frames: int, fps: float, sound: Sound | None) -> None:
    """A grey video."""
    with VideoWriter(path, fps, sound) as writer:
        for start in range(0, frames, 7):
            writer.write(torch.full((min(7, frames - start), 32, 48, 3), 0.5))


@pytest.mark.parametrize("fps", [12.5, 25.0, 29.97, 30.0])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (10000, 1)])
def test_streams_have_the_same_length_to_a_frame(tmp_path: Path, fps: float, rate: int, channels: int) -> None:
    sound = noise(1.31, rate, channels)
    frames = sound.frames(fps)
    write(tmp_path / "a.mp4", frames, fps, sound)
    with av.open(tmp_path / "a.mp4") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        lengths = [float(stream.duration * stream.time_base) for stream in (video, audio)]
        assert video.frames == frames
    assert abs(lengths[0] - lengths[1]) <= 1 / fps
    assert frame_rate(tmp_path / "a.mp4") == pytest.approx(fps, abs=1e-6)


def test_a_click_stays_where_it_was(tmp_path: Path) -> None:
    samples = torch.zeros(1, 32000)
    samples[0, 16000] = 0.9
    write(tmp_path / "a.mp4", 50, 25.0, Sound(samples, 16000))
    heard = read_sound(tmp_path / "a.mp4").mono(16000)
    assert abs(int(heard.abs().argmax()) - 16000) <= 16  # 1 ms


def test_sound_and_pictures_lie_side_by_side_in_the_file(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 500, 25.0, noise(20.0, 16000))
    with av.open(tmp_path / "a.mp4") as container:
        heard = seen = apart = 0.0
        for packet in container.demux():
            if packet.pts is None or not packet.size:
                continue
            if packet.stream.type == "audio":
                heard = float(packet.pts * packet.time_base)
            else:
                seen = max(seen, float(packet.pts * packet.time_base))
            apart = max(apart, abs(seen - heard))
    assert heard == pytest.approx(20, abs=0.1)
    assert apart < 4  # s; the encoder looks 60 frames ahead


def test_a_sound_longer_than_the_pictures_is_cut(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 25, 25.0, noise(5.0, 16000))
    assert read_sound(tmp_path / "a.mp4").seconds == pytest.approx(1.0, abs=0.08)


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    def interrupted() -> None:
        with VideoWriter(tmp_path / "a.mp4", 25.0) as writer:
            writer.write(torch.zeros(2, 32, 32, 3))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_odd_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="31 x 32"), VideoWriter(tmp_path / "a.mp4", 25.0) as writer:
        writer.write(torch.zeros(1, 32, 31, 3))


def test_frames_come_back_as_they_were_written(tmp_path: Path) -> None:
    levels = torch.linspace(0.1, 0.9, 10)
    with VideoWriter(tmp_path / "a.mp4", 25.0) as writer:
        writer.write(levels[:, None, None, None].expand(-1, 32, 32, 3))
    read = [frame.mean() / 255 for frame in read_frames(tmp_path / "a.mp4")]
    assert read == pytest.approx(levels.tolist(), abs=0.02)


def test_the_last_frame_may_reach_beyond_the_sound() -> None:
    assert Sound(torch.zeros(1, 16000), 16000).frames(25.0) == 25
    assert Sound(torch.zeros(1, 16001), 16000).frames(25.0) == 26


def test_a_video_without_sound_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 5, 25.0, None)
    with pytest.raises(ValueError, match="holds no sound"):
        read_sound(tmp_path / "a.mp4")


def test_mono_keeps_time_and_level() -> None:
    time = torch.arange(44100) / 44100
    tone = torch.sin(2 * torch.pi * 200 * time)
    mono = Sound(torch.stack([tone, tone]), 44100).mono(16000)
    expected = torch.sin(2 * torch.pi * 200 * torch.arange(16000) / 16000)
    torch.testing.assert_close(mono[100:-100], expected[100:-100], atol=0.02, rtol=0)


@pytest.mark.parametrize(("channels", "kept"), [(3, 2), (6, 6), (8, 6)])
def test_surround_sound_keeps_its_channels(tmp_path: Path, channels: int, kept: int) -> None:
    write(tmp_path / "a.mp4", 25, 25.0, noise(1.0, 48000, channels))
    assert read_sound(tmp_path / "a.mp4").samples.shape[0] == kept
