"""Downloads, against a stand-in of the hub on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import StandIn, stand_in

from emo_core.__main__ import main
from emo_core.checkpoints.hub import catalogue, files_of
from emo_core.checkpoints.registry import COMPANIONS, RELEASES

pytest.importorskip("huggingface_hub")
ROOT = Path(__file__).resolve().parents[2]
NAME = "sd-vae-ft-mse"
PATH = "/stabilityai/sd-vae-ft-mse/resolve/main/diffusion_pytorch_model.safetensors"
CONTENT = bytes(range(256)) * (3 << 14)  # 12 MB: the client keeps what it receives 10 MB at a time


@pytest.fixture
def hub() -> Iterator[StandIn]:
    """A running stand-in with one file."""
    with stand_in({PATH: CONTENT}) as running:
        yield running


def fetch(hub: StandIn, folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: the client reads its settings when it is imported."""
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        **environment,
    }
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "emo_core",
            "models",
            "download",
            NAME,
            "--models",
            str(folder / "emo"),
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def downloaded(folder: Path) -> Path:
    return folder / "emo" / NAME / "diffusion_pytorch_model.safetensors"


def test_a_file_comes_into_its_folder_once(hub: StandIn, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path).returncode == 0
    assert downloaded(tmp_path).read_bytes() == CONTENT
    assert fetch(hub, tmp_path).returncode == 0
    assert len(hub.ranges) == 1


def test_a_broken_transfer_is_resumed(hub: StandIn, tmp_path: Path) -> None:
    hub.break_after = 11 << 20
    result = fetch(hub, tmp_path)
    assert result.returncode == 0, result.stderr
    assert downloaded(tmp_path).read_bytes() == CONTENT
    assert hub.ranges == [None, f"bytes={10 << 20}-"]


def test_the_next_run_goes_on_where_a_failed_one_ended(hub: StandIn, tmp_path: Path) -> None:
    hub.break_after, hub.refuse_second = 11 << 20, True
    assert fetch(hub, tmp_path).returncode == 2
    assert not downloaded(tmp_path).exists()
    assert fetch(hub, tmp_path).returncode == 0
    assert downloaded(tmp_path).read_bytes() == CONTENT
    assert hub.ranges[2] == f"bytes={10 << 20}-"
    assert [path.name for path in downloaded(tmp_path).parent.iterdir()] == [downloaded(tmp_path).name]


def test_a_corrupt_file_is_refused_and_removed(hub: StandIn, tmp_path: Path) -> None:
    hub.sent_instead[PATH] = CONTENT[:-1] + b"x"
    result = fetch(hub, tmp_path)
    assert result.returncode == 2
    assert "was corrupt and has been removed" in result.stderr
    assert not downloaded(tmp_path).exists()
    hub.sent_instead.clear()
    assert fetch(hub, tmp_path).returncode == 0


def test_offline_nothing_is_asked(hub: StandIn, tmp_path: Path) -> None:
    result = fetch(hub, tmp_path, HF_HUB_OFFLINE="1")
    assert result.returncode == 2
    assert "could not be fetched" in result.stderr
    assert not hub.ranges


def test_the_list_says_what_is_present_and_where_the_rest_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "models" / "emo"
    net = root / "hallo" / "hallo" / "net.pth"
    vae = tmp_path / "models" / "vae" / "vae-ft-mse-840000-ema-pruned.safetensors"
    for file in (net, vae):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
    assert main(["models", "list", "--models", str(root)]) == 0
    text = capsys.readouterr().out
    assert f"present: {net}" in text
    assert f"present: {vae}" in text
    assert f"missing: {root / 'hallo2' / 'hallo2' / 'net.pth'}" in text
    assert all(thing.name in text for thing in (*RELEASES, *COMPANIONS))
    assert "NON-COMMERCIAL" in text


def test_a_release_needs_its_own_files_and_those_it_shares() -> None:
    paths = [file.path for file in files_of("v_express")]
    assert len(paths) == 7
    assert {"denoising_unet.bin", "diffusion_pytorch_model.safetensors", "model.safetensors"} <= set(paths)
    with pytest.raises(ValueError, match="nothing published is called 'x'"):
        files_of("x")


def test_every_companion_a_release_needs_is_in_the_catalogue(tmp_path: Path) -> None:
    entries = {entry.name: entry for entry in catalogue(tmp_path)}
    assert all(need in entries for entry in entries.values() for need in entry.needs)
