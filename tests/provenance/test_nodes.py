"""The nodes in the host: what Save Video writes is signed, marked and tagged."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from emo_core.media.video import VideoWriter
from emo_core.provenance.credentials import read
from emo_core.provenance.report import examine
from emo_core.provenance.statement import Statement, read_tags, statement_in

pytestmark = pytest.mark.host


@pytest.fixture
def nodes(pack: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Our provenance nodes, with the host's folders in a place of their own."""
    import folder_paths

    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path / "user"))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    return importlib.import_module(f"{pack.__name__}.nodes.provenance")


def video_file(path: Path, tags: dict[str, str] | None = None) -> object:
    """A VIDEO of noise."""
    from comfy_api.latest import InputImpl

    with VideoWriter(path, 25.0, tags=tags) as writer:
        writer.write(torch.rand(8, 64, 64, 3, generator=torch.Generator().manual_seed(0)))
    return InputImpl.VideoFromFile(str(path))


def test_a_signed_video_keeps_workflow_tags_and_credentials_when_saved(
    nodes: ModuleType, tmp_path: Path
) -> None:
    pytest.importorskip("c2pa", reason="c2pa-python is not installed")
    made = Statement("emo-tiny", "a", "b")
    video = video_file(tmp_path / "a.mp4", made.tags())
    (signed,) = nodes.SignVideo.execute(video, nodes.TRIAL_NAME).result
    signed.save_to(str(tmp_path / "saved.mp4"), metadata={"workflow": {"nodes": []}})
    tags, credentials = read_tags(tmp_path / "saved.mp4"), read(tmp_path / "saved.mp4")
    assert statement_in(tags) == made
    assert "workflow" in tags
    assert credentials is not None
    assert credentials.intact
    assert credentials.statement["model_family"] == "emo-tiny"


def test_a_video_of_stock_nodes_gets_the_tags_too(nodes: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="c2pa-python is not installed")
    from fractions import Fraction

    from comfy_api.latest import InputImpl, Types

    frames = torch.rand(8, 64, 64, 3)
    video = InputImpl.VideoFromComponents(Types.VideoComponents(images=frames, frame_rate=Fraction(25)))
    (signed,) = nodes.SignVideo.execute(video, nodes.TRIAL_NAME).result
    signed.save_to(str(tmp_path / "saved.mp4"))
    assert statement_in(read_tags(tmp_path / "saved.mp4")) == Statement()


def test_an_unknown_signer_is_named_with_the_folder(nodes: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no certificate called '\.\./x'.*__emo_credentials"):
        nodes.SignVideo.execute(video_file(tmp_path / "a.mp4"), "../x")


def test_marked_frames_are_found_by_the_detector(nodes: ModuleType) -> None:
    frames = torch.rand(4, 16, 16, 3).repeat_interleave(8, 1).repeat_interleave(8, 2)
    (marked,) = nodes.MarkFrames.execute(frames, 37.0).result
    generated, chance, report = nodes.DetectMark.execute(images=marked).result
    assert generated
    assert chance < 1e-6
    assert report.startswith("invisible mark: found")
    assert not nodes.DetectMark.execute(images=frames).result[0]


def test_the_detector_reads_a_files_tags(nodes: ModuleType, tmp_path: Path) -> None:
    video = video_file(tmp_path / "a.mp4", Statement("emo-tiny").tags())
    generated, chance, report = nodes.DetectMark.execute(video=video).result
    assert generated
    assert chance > 1e-6
    assert report.splitlines() == examine(tmp_path / "a.mp4").lines()


def test_the_detector_wants_exactly_one_input(nodes: ModuleType) -> None:
    with pytest.raises(ValueError, match="one of video and images is wanted"):
        nodes.DetectMark.execute()
