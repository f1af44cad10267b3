"""EMO Load Long Audio: the sound is on disk and the same as the host's Load Audio gives."""

from pathlib import Path
from types import ModuleType

import pytest
import torch

from emo_core.media.video import Sound, VideoWriter


@pytest.fixture
def folders(comfy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Input and temp folder of the host, for one test."""
    import folder_paths

    for name in ("input", "temp"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    return tmp_path


@pytest.fixture
def video(folders: Path) -> Path:
    """Two channels of noise under a grey picture."""
    path = folders / "input" / "voice.mp4"
    sound = Sound(0.1 * torch.randn(2, 40_000, generator=torch.Generator().manual_seed(0)), 44_100)
    with VideoWriter(path, 25.0, sound) as writer:
        writer.write(torch.full((sound.frames(25.0), 16, 16, 3), 0.5))
    return path


def test_it_has_the_samples_of_load_audio_in_a_file(ours, video: Path) -> None:
    import comfy_extras.nodes_audio as host

    wanted = host.LoadAudio().load("voice.mp4")[0]
    made = ours["nodes.long_sound"].LoadAudio.execute("voice.mp4").result[0]
    assert made["sample_rate"] == wanted["sample_rate"] == 44_100
    torch.testing.assert_close(made["waveform"], wanted["waveform"], atol=0, rtol=0)
    file = Path(made["waveform"].untyped_storage().filename)
    assert file.parent.name == "temp"
    assert file.stat().st_size == made["waveform"].numel() * 4


def test_what_hears_it_never_touches_the_whole(ours, networks: tuple, video: Path) -> None:
    """The same tokens, digest and drawing as of the samples in memory, read past the mapping."""
    made = ours["nodes.long_sound"].LoadAudio.execute("voice.mp4").result[0]
    values, encoders = ours["nodes.values"], networks[1]
    sounds = [
        ours["nodes.convert"].sound_from_audio(audio)
        for audio in (made, {**made, "waveform": made["waveform"].clone()})
    ]
    with torch.inference_mode():
        on_disk, in_memory = (values.audio_of(encoders, sound, sound, 25.0) for sound in sounds)
    assert torch.equal(on_disk.tokens, in_memory.tokens)
    digest = ours["emo_core.provenance.statement"].digest
    assert digest(sounds[0].samples) == digest(sounds[1].samples)
    drawn = [values.inspection(None, value, None, None, 12).tobytes() for value in (on_disk, in_memory)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("name", ["gone.wav", "../secret.wav", "/etc/passwd", "", "../input2/voice.wav"])
def test_a_file_that_is_not_in_the_input_folder_is_refused(ours, folders: Path, name: str) -> None:
    (folders / "secret.wav").touch()
    node = ours["nodes.long_sound"].LoadAudio
    assert "put it there or choose another" in node.validate_inputs(name)
    with pytest.raises(ValueError, match="there is no file"):
        node.execute(name)


def test_a_changed_file_is_loaded_again(ours, video: Path) -> None:
    node = ours["nodes.long_sound"].LoadAudio
    assert node.validate_inputs("voice.mp4") is True
    before = node.fingerprint_inputs("voice.mp4")
    video.write_bytes(video.read_bytes() + b"\x00")
    assert node.fingerprint_inputs("voice.mp4") != before


def test_a_file_without_sound_is_refused(ours, folders: Path) -> None:
    with VideoWriter(folders / "input" / "silent.mp4", 25.0) as writer:
        writer.write(torch.full((3, 16, 16, 3), 0.5))
    with pytest.raises(ValueError, match="holds no sound"):
        ours["nodes.long_sound"].LoadAudio.execute("silent.mp4")
