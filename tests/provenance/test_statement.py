"""What a file says about itself survives writing, and the host's Save Video."""

from pathlib import Path

import pytest
import tomllib
import torch

from emo_core.media.video import Sound, VideoWriter
from emo_core.provenance.statement import SOURCE_TYPE, VERSION, Statement, digest, read_tags, statement_in

ROOT = Path(__file__).resolve().parents[2]
MADE = Statement("emo-tiny", digest(torch.full((8, 8, 3), 0.5)), digest(torch.zeros(1, 16000)))


def write(path: Path) -> Path:
    """Ten grey frames with a sound and tags."""
    with VideoWriter(path, 25.0, Sound(torch.zeros(1, 6400), 16000), MADE.tags()) as writer:
        writer.write(torch.full((10, 64, 64, 3), 0.5))
    return path


def test_a_written_video_says_what_made_it(tmp_path: Path) -> None:
    tags = read_tags(write(tmp_path / "a.mp4"))
    assert statement_in(tags) == MADE
    assert tags["digital_source_type"] == SOURCE_TYPE
    assert tags["comment"].startswith("AI-generated video (EMO for ComfyUI")


@pytest.mark.host
@pytest.mark.parametrize(
    "metadata", [None, {"prompt": {"1": {"class_type": "X"}}, "workflow": {"nodes": []}}]
)
def test_the_hosts_save_video_keeps_the_tags(comfy, tmp_path: Path, metadata: dict | None) -> None:
    from comfy_api.latest import InputImpl

    video = InputImpl.VideoFromFile(str(write(tmp_path / "a.mp4")))
    video.save_to(str(tmp_path / "b.mp4"), metadata=metadata)
    tags = read_tags(tmp_path / "b.mp4")
    assert statement_in(tags) == MADE
    assert metadata is None or {"prompt", "workflow"} <= set(tags)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"ai_generated": false}'])
def test_a_file_without_a_statement_has_none(text: str) -> None:
    assert statement_in({"emo_provenance": text}) is None


def test_the_digest_is_of_the_sound_not_of_its_dtype() -> None:
    samples = torch.linspace(-1, 1, 1000)
    assert digest(samples) == digest(samples.double())
    assert digest(samples) != digest(samples * 0.9)


def test_the_version_is_the_packages() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
