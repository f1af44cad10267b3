"""What users give by mistake, through the nodes in the real host: a right result, or what is wrong and what to do.

docs/reliability.md shows this table.
"""

import importlib
import math
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from safetensors.torch import save_file
from support import random_checkpoint
from torch import Tensor

pytestmark = pytest.mark.host
SIZE = 64
RATE = 16000


@pytest.fixture(scope="module")
def nodes(pack: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The nodes' classes, and EMO_ENCODERS and VAE of a small random model."""

    def ours(path: str) -> ModuleType:
        return importlib.import_module(f"{pack.__name__}.{path}")

    path = tmp_path_factory.mktemp("models") / "random.safetensors"
    random_checkpoint(path)
    checkpoint = ours("emo_core.checkpoints.load").open_checkpoint(path)
    with torch.inference_mode():
        _, encoders, audio, vae = ours("nodes.host.loading").load_networks(checkpoint, "default")
    value = ours("nodes.types").EncodersValue(checkpoint.config, encoders, audio)
    return SimpleNamespace(
        conditioning=ours("nodes.conditioning"), video=ours("nodes.video"), value=value, vae=vae, ours=ours
    )


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    """The host runs nodes this way."""
    with torch.inference_mode():
        yield


def portrait(nodes: SimpleNamespace, image: Tensor) -> Any:
    return nodes.conditioning.EncodeReference.execute(nodes.value, nodes.vae, image, SIZE).result[0]


def heard(
    nodes: SimpleNamespace, audio: Any, fps: float = 0.0, start: float = 0.0, length: float = 0.0
) -> Any:
    return nodes.conditioning.EncodeAudio.execute(nodes.value, audio, fps, start, length).result


def sound(samples: int, channels: int = 1, rate: int = RATE, level: float = 0.1) -> dict[str, Any]:
    noise = torch.randn(1, channels, samples, generator=torch.Generator().manual_seed(0))
    return {"waveform": level * noise, "sample_rate": rate}


IMAGES_THAT_WORK = {
    "very wide": torch.rand(1, 2, 3000, 3),
    "large": torch.rand(1, 2500, 2000, 3),
    "tall": torch.rand(1, 90, 30, 3),
    "no face": torch.linspace(0, 1, 70).view(1, 1, 70, 1).expand(1, 70, 70, 3),
    "half precision": torch.rand(1, 64, 64, 3).half(),
    "values of 0 to 255": 255 * torch.rand(1, 64, 64, 3),
}


@pytest.mark.parametrize("image", IMAGES_THAT_WORK.values(), ids=IMAGES_THAT_WORK)
def test_a_picture_that_works(nodes: SimpleNamespace, image: Tensor) -> None:
    value = portrait(nodes, image)
    assert value.portrait.shape == (SIZE, SIZE, 3)
    assert 0 <= value.portrait.min() <= value.portrait.max() <= 1
    assert all(torch.isfinite(tokens).all() for tokens in value.tokens.values())


def gradient(mode: str) -> Image.Image:
    """A picture 40 wide and 30 high that grows brighter to the right."""
    grey = np.linspace(0, 255, 40).astype(np.uint8)[None].repeat(30, 0)
    if mode == "I;16":
        return Image.fromarray((grey.astype(np.uint16) // 2 + 1) * 256)
    return Image.fromarray(grey).convert(mode)


def load_image(picture: Image.Image, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Tensor:
    """What the host's Load Image makes of a file."""
    import folder_paths

    import nodes as host_nodes

    monkeypatch.setattr(folder_paths, "input_directory", str(folder))
    picture.save(folder / "portrait.png", **options)
    return host_nodes.LoadImage().load_image("portrait.png")[0]


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "1", "LA"])
def test_a_file_that_load_image_opens(
    nodes: SimpleNamespace, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = portrait(nodes, load_image(gradient(mode), tmp_path, monkeypatch))
    assert value.portrait[:, 0].mean() < 0.3 < 0.7 < value.portrait[:, -1].mean()


def test_a_photograph_that_its_camera_turned(
    nodes: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = gradient("RGB")
    exif = turned.getexif()
    exif[ExifTags.Base.Orientation] = 6
    value = portrait(nodes, load_image(turned, tmp_path, monkeypatch, exif=exif))
    assert value.portrait[0].mean() < 0.3 < 0.7 < value.portrait[-1].mean()


def test_a_16_bit_grey_file_comes_white_out_of_load_image_and_is_refused(
    nodes: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = load_image(gradient("I;16"), tmp_path, monkeypatch)
    with pytest.raises(ValueError, match="16-bit grey files white: save them with 8 bits"):
        portrait(nodes, image)


WRONG_IMAGES = {
    "one pixel": (torch.rand(1, 1, 1, 3), "the portrait is one flat colour: load a picture with a face"),
    "one colour": (torch.full((1, 70, 70, 3), 0.5), "one flat colour"),
    "transparent": (torch.zeros(1, 8, 8, 4), r"4 channels, want 3 \(RGB\): put it on a background"),
    "one channel": (torch.zeros(1, 8, 8, 1), r"1 channels, want 3"),
    "batch": (torch.zeros(5, 8, 8, 3), r"batch of 5 pictures, want 1: pick one with ImageFromBatch"),
    "empty": (torch.zeros(1, 0, 0, 3), r"0 x 0 pixels: load a picture that is not empty"),
    "NaN": (torch.full((1, 8, 8, 3), math.nan), r"NaN or infinite values: look at the node that made it"),
}


@pytest.mark.parametrize(("image", "words"), WRONG_IMAGES.values(), ids=WRONG_IMAGES)
def test_a_picture_that_cannot_be_used(nodes: SimpleNamespace, image: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        portrait(nodes, image)


def marks(*box: int, size: tuple[int, int] = (64, 64)) -> Tensor:
    mask = torch.zeros(1, *size)
    top, bottom, left, right = box
    mask[:, top:bottom, left:right] = 1
    return mask


WRONG_MASKS = {
    "empty": (marks(0, 0, 0, 0), "the mask is empty: paint over the face"),
    "beside the square": (marks(0, 90, 0, 50, size=(100, 300)), "outside the middle square"),
    "one dot of a large picture": (marks(5, 6, 5, 6, size=(2048, 2048)), "too small"),
    "batch": (torch.ones(2, 8, 8), "want one mask"),
    "NaN": (torch.full((1, 8, 8), math.nan), "the mask is empty"),
}


@pytest.mark.parametrize(("mask", "words"), WRONG_MASKS.values(), ids=WRONG_MASKS)
def test_a_mask_that_cannot_be_used(nodes: SimpleNamespace, mask: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        nodes.conditioning.EncodeFaceRegion.execute(nodes.value, SIZE, 0.05, mask)


def test_a_mask_of_another_size_is_scaled(nodes: SimpleNamespace) -> None:
    mask = marks(30, 60, 40, 80, size=(120, 120))
    shown = nodes.conditioning.EncodeFaceRegion.execute(nodes.value, SIZE, 0.0, mask).result[1]
    assert shown.shape == (1, SIZE, SIZE)
    assert float(shown.mean()) == pytest.approx(30 * 40 / 120**2, abs=0.02)


SOUNDS_THAT_WORK = {
    "silent": (sound(6400, level=0.0), 10),
    "clipped, loud": (sound(6400, level=50.0), 10),
    "8 kHz": (sound(3200, rate=8000), 10),
    "192 kHz stereo": (sound(76800, 2, 192000), 10),
    "5.1": (sound(6400, 6), 10),
    "one sample": (sound(1), 1),
    "16-bit whole numbers": (
        {"waveform": torch.zeros(1, 1, 6400, dtype=torch.int16), "sample_rate": RATE},
        10,
    ),
}


@pytest.mark.parametrize(("audio", "frames"), SOUNDS_THAT_WORK.values(), ids=SOUNDS_THAT_WORK)
def test_a_sound_that_works(nodes: SimpleNamespace, audio: dict[str, Any], frames: int) -> None:
    value, original, fps, count = heard(nodes, audio)
    assert (count, fps) == (frames, 25.0)
    assert (
        torch.isfinite(value.tokens.float()).all()
        if isinstance(value.tokens, Tensor)
        else value.frames == frames
    )
    assert original["sample_rate"] == audio["sample_rate"]
    assert torch.equal(original["waveform"], audio["waveform"].float())


def test_of_thirty_minutes_the_part_that_is_asked_for_is_heard(nodes: SimpleNamespace) -> None:
    long = {"waveform": torch.zeros(1, 1, 1).expand(1, 1, 30 * 60 * RATE), "sample_rate": RATE}
    assert heard(nodes, long, start=1790.0, length=0.4)[3] == 10


WRONG_SOUNDS = {
    "no samples": (sound(0), "no samples: load a file that is not empty"),
    "no channels": (sound(100, 0), "no samples"),
    "NaN": (sound(100, level=math.nan), "NaN or infinite samples"),
    "batch": ({"waveform": torch.zeros(3, 1, 100), "sample_rate": RATE}, r"batch of shape \(3, 1, 100\)"),
    "rate 0": (sound(100, rate=0), "sample rate is 0 Hz"),
    "nothing": (None, "no sound in the AUDIO: load a file with an audio track"),
}


@pytest.mark.parametrize(("audio", "words"), WRONG_SOUNDS.values(), ids=WRONG_SOUNDS)
def test_a_sound_that_cannot_be_used(nodes: SimpleNamespace, audio: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        heard(nodes, audio)


@pytest.mark.parametrize("fps", [0.5, 1000.0, -5.0, math.nan, math.inf, 1e9])
def test_an_impossible_frame_rate_is_refused_by_every_node(nodes: SimpleNamespace, fps: float) -> None:
    words = r"want 1 to 120 frames per second"
    with pytest.raises(ValueError, match=words):
        heard(nodes, sound(6400), fps=fps)
    with pytest.raises(ValueError, match=words):
        nodes.conditioning.EncodeSpeed.execute([nodes.value], [0.5], [10], [fps], ["0: 1"])
    with pytest.raises(ValueError, match=words):
        nodes.video.DecodeToVideo.execute({"samples": torch.zeros(1, 4, 8, 8)}, nodes.vae, fps)


@pytest.mark.parametrize(("fps", "frames"), [(23.976, 10), (29.97, 12), (1.0, 1), (120.0, 48)])
def test_an_uneven_frame_rate_is_kept(nodes: SimpleNamespace, fps: float, frames: int) -> None:
    assert heard(nodes, sound(6400), fps=fps)[2:] == (fps, frames)


@pytest.mark.parametrize(
    ("start", "length"), [(-1.0, 0.0), (0.0, -1.0), (math.nan, 0.0), (0.0, math.inf), (9.0, 0.0)]
)
def test_a_part_of_the_sound_that_is_not_there(nodes: SimpleNamespace, start: float, length: float) -> None:
    with pytest.raises(ValueError, match=r"start"):
        heard(nodes, sound(6400), start=start, length=length)


@pytest.mark.parametrize("curve", ["0: nan", "inf: 1", "0: 1e308", "-1: 1", "fast", "1;2", ":"])
def test_a_curve_that_cannot_be_read(nodes: SimpleNamespace, curve: str) -> None:
    with pytest.raises(ValueError, match=r"speed curve|out of range"):
        nodes.conditioning.EncodeSpeed.execute([nodes.value], [0.5], [10], [25.0], [curve])


class Malice:
    """A pickle that makes a folder when it is read."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self._path,)


def bad_file(kind: str, folder: Path) -> Path:
    """A checkpoint that cannot be used."""
    good = folder / "good.safetensors"
    random_checkpoint(good)
    data, path = good.read_bytes(), folder / "bad.safetensors"
    if kind == "another family":
        save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(4, 4, 3, 3)}, path)
        return path
    contents = {
        "empty": b"",
        "truncated": data[: len(data) // 2],
        "header of 2^63 bytes": (2**63).to_bytes(8, "little") + data[8:],
        "header overwritten": data[:8] + b"\x00" * 64 + data[72:],
        "web page": b"<!DOCTYPE html><html>404</html>",
        "pointer of git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "pickle named safetensors": pickle.dumps({"a": 1}),
    }
    path.write_bytes(contents[kind])
    return path


KINDS = ["empty", "truncated", "header of 2^63 bytes", "header overwritten", "web page", "pointer of git-lfs"]


@pytest.mark.parametrize("kind", [*KINDS, "pickle named safetensors", "another family"])
def test_a_checkpoint_that_cannot_be_used(nodes: SimpleNamespace, kind: str, tmp_path: Path) -> None:
    path = bad_file(kind, tmp_path)
    with pytest.raises(ValueError, match=r"is not a weight file|no checkpoint of a known family"):
        nodes.ours("emo_core.checkpoints.load").open_checkpoint(path)


@pytest.mark.parametrize("suffix", [".pth", ".ckpt", ".bin", ".pt"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_malicious_pickle_does_not_run(
    nodes: SimpleNamespace, suffix: str, protocol: int, tmp_path: Path
) -> None:
    trap, path = tmp_path / "made", tmp_path / f"evil{suffix}"
    path.write_bytes(pickle.dumps({"weight": Malice(trap)}, protocol=protocol))
    with pytest.raises(ValueError, match="is not a weight file"):
        nodes.ours("emo_core.checkpoints.load").open_checkpoint(path)
    torch.save({"weight": Malice(trap)}, path)
    with pytest.raises(ValueError, match="is not a weight file"):
        nodes.ours("emo_core.checkpoints.load").open_checkpoint(path)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a/../../b", "", "."])
def test_a_model_name_stays_in_the_models_folder(
    nodes: SimpleNamespace, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = nodes.ours("nodes.host.folders")
    inside = tmp_path / "models"
    inside.mkdir()
    (tmp_path / "secret.safetensors").touch()
    monkeypatch.setattr(folders, "model_folders", lambda: [inside])
    with pytest.raises(FileNotFoundError, match="put it there or choose another"):
        folders.find_model(name)


def test_a_full_disk_is_named_and_leaves_no_video(nodes: SimpleNamespace, tmp_path: Path) -> None:
    media = nodes.ours("emo_core.media.video")
    (tmp_path / ".a.mp4.part").symlink_to("/dev/full")
    with (
        pytest.raises(OSError, match="No space left on device"),
        media.VideoWriter(tmp_path / "a.mp4", 25.0) as writer,
    ):
        writer.write(torch.rand(200, 128, 128, 3))
    assert not list(tmp_path.iterdir())
