"""No way in and no way out: no network in the nodes, files only where ComfyUI keeps results, no dangerous calls."""

import importlib
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from support import random_checkpoint

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.host
def test_the_whole_graph_runs_with_sockets_blocked(
    pack: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From checkpoint to video and detector, in a temp folder of its own, with nothing written elsewhere."""
    import folder_paths

    def ours(path: str) -> ModuleType:
        return importlib.import_module(f"{pack.__name__}.{path}")

    def blocked(*_: object, **__: object) -> None:
        raise AssertionError("a node wants to use the network")

    random_checkpoint(tmp_path / "random.safetensors")
    for folder in ("temp", "output", "user"):
        (tmp_path / folder).mkdir()
        monkeypatch.setattr(folder_paths, f"{folder}_directory", str(tmp_path / folder))
    modules = [ours(f"nodes.{name}") for name in ("conditioning", "sampling", "video", "provenance")]
    conditioning, sampling, video, provenance = modules
    for node in (sampling.Sample, video.DecodeToVideo):
        monkeypatch.setattr(node, "hidden", SimpleNamespace(unique_id=None))
    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    with torch.inference_mode():
        checkpoint = ours("emo_core.checkpoints.load").open_checkpoint(tmp_path / "random.safetensors")
        model, encoders, audio, vae = ours("nodes.host.loading").load_networks(checkpoint, "default")
        value = ours("nodes.types").EncodersValue(checkpoint.config, encoders, audio)
        sound = {"waveform": 0.1 * torch.randn(1, 1, 3200), "sample_rate": 16000}
        reference = conditioning.EncodeReference.execute(value, vae, torch.rand(1, 64, 64, 3), 64).result[0]
        heard = conditioning.EncodeAudio.execute(value, sound, 0.0, 0.0, 0.0).result[0]
        conds = conditioning.Condition.execute(reference, heard).result
        clips = sampling.Sample.execute(model, *conds, 0, 1, 1.5, 2.0, "euler", "simple", 1.0, 0).result[0]
        made = video.DecodeToVideo.execute(clips, vae, 25.0, sound, True).result[0]
        assert provenance.DetectMark.execute(video=made).result[0]
    files = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert files <= {"random.safetensors", "temp", "output"}


def test_no_dangerous_calls_in_what_users_run() -> None:
    """ruff's bandit rules: eval, exec, pickle, shell, subprocess, weak hashes, unchecked addresses and others."""
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "S",
        "--output-format",
        "concise",
    ]
    allowed = "S311"  # random numbers that are not for secrets
    done = subprocess.run(
        [*ruff, "--ignore", allowed, "nodes", "emo_core", "__init__.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


TRIM = 'trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None'


@pytest.mark.parametrize("path", sorted((ROOT / "nodes").rglob("*.py")), ids=lambda path: path.name)
def test_nodes_import_nothing_that_reaches_out(path: Path) -> None:
    words = (
        "subprocess",
        "socket",
        "urllib",
        "requests",
        "http.client",
        "ctypes",
        "huggingface_hub",
    )
    lines = [line.strip() for line in path.read_text().splitlines()]
    found = [
        line for line in lines if line.startswith(("import ", "from ")) and line.split()[1].startswith(words)
    ]
    if path.name == "memory.py" and found == ["import ctypes"]:  # for one call that takes nothing of a user's
        uses = [line for line in lines if "ctypes." in line]
        assert uses == [TRIM]
        return
    assert not found
