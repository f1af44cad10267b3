"""Content credentials: signed, read back, broken by a change, and asked for in one sentence where they cannot be."""

import sys
from pathlib import Path

import pytest
import torch

from emo_core.__main__ import main
from emo_core.media.video import Sound, VideoWriter
from emo_core.provenance.credentials import CredentialsError, Identity, read, sign, trial_identity
from emo_core.provenance.statement import SOURCE_TYPE, Statement

MADE = Statement("emo-tiny", "portrait's hash", "audio's hash")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Ten frames of noise with a sound and tags."""
    pytest.importorskip("c2pa", reason="c2pa-python is not installed")
    pictures = torch.rand(10, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    with VideoWriter(tmp_path / "a.mp4", 25.0, Sound(torch.zeros(1, 6400), 16000), MADE.tags()) as writer:
        writer.write(pictures)
    return tmp_path / "a.mp4"


def test_what_is_signed_is_read_back(video: Path) -> None:
    target = video.with_name("signed.mp4")
    sign(video, target, MADE, trial_identity(video.parent))
    found = read(target)
    assert found is not None
    assert (found.state, found.source_type) == ("Valid", SOURCE_TYPE)
    assert found.generator.startswith("EMO for ComfyUI")
    wanted = {"model_family": "emo-tiny", "portrait": "portrait's hash", "audio": "audio's hash"}
    assert wanted.items() <= found.statement.items()


def test_a_changed_file_is_seen(video: Path) -> None:
    target = video.with_name("signed.mp4")
    sign(video, target, MADE, trial_identity(video.parent))
    data = bytearray(target.read_bytes())
    data[data.find(b"mdat") + 2000] ^= 1
    target.write_bytes(data)
    found = read(target)
    assert found is not None
    assert not found.intact


def test_an_unsigned_file_has_none(video: Path) -> None:
    assert read(video) is None


def test_a_wrong_key_is_named_and_leaves_no_file(video: Path) -> None:
    folder = video.parent
    (folder / "wrong.pem").write_text("no key")
    identity = Identity(trial_identity(folder).certificates, folder / "wrong.pem")
    with pytest.raises(CredentialsError, match=r"wrong\.pem is no private key"):
        sign(video, folder / "signed.mp4", MADE, identity)
    assert not (folder / "signed.mp4").exists()


def test_a_key_of_another_certificate_is_refused(video: Path) -> None:
    folder = video.parent
    identity = Identity(trial_identity(folder / "a").certificates, trial_identity(folder / "b").key)
    with pytest.raises(CredentialsError):
        sign(video, folder / "signed.mp4", MADE, identity)
    assert not list(folder.glob("*signed*"))


def test_the_trial_key_is_only_for_its_owner(video: Path) -> None:
    assert trial_identity(video.parent).key.stat().st_mode & 0o077 == 0


def test_the_commands_sign_and_detect(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sign", str(video), "--self-signed", str(video.parent)]) == 0
    assert main(["detect", str(video.with_name("a.signed.mp4"))]) == 0
    shown = capsys.readouterr().out
    assert "content credentials: intact, signer not on the trust list" in shown
    assert "tags: AI-generated, EMO for ComfyUI" in shown


def test_detect_finds_nothing_in_a_foreign_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VideoWriter(tmp_path / "b.mp4", 25.0) as writer:
        writer.write(torch.rand(3, 64, 64, 3))
    assert main(["detect", str(tmp_path / "b.mp4")]) == 1
    assert "nothing shows that EMO nodes made it" in capsys.readouterr().out


def test_without_the_package_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with VideoWriter(tmp_path / "a.mp4", 25.0, tags=MADE.tags()) as writer:
        writer.write(torch.rand(3, 64, 64, 3))
    assert main(["sign", str(tmp_path / "a.mp4"), "--self-signed", str(tmp_path)]) == 2
    assert "pip install c2pa-python" in capsys.readouterr().err
    assert main(["detect", str(tmp_path / "a.mp4")]) == 0
    assert "content credentials: not looked for" in capsys.readouterr().out
