"""The load node's `download`: files come when a user ticks it, and only then."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkpoints.tiny import write_audio_encoders, write_release, write_vae
from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import PACK, ComfyServer
from hub import StandIn, stand_in

from emo_core.checkpoints.hub import files_of

pytestmark = pytest.mark.host
pytest.importorskip("huggingface_hub")
NAME = "hallo"
SHORT = {"size": 64, "steps": 1, "length": 0.32}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """A hub with small files under the names of the published ones."""
    folder = tmp_path_factory.mktemp("published")
    write_release(NAME, folder)
    write_vae(folder / "diffusion_pytorch_model.safetensors")
    write_audio_encoders(folder)
    (folder / "wav2vec2-base-960h.safetensors").rename(folder / "model.safetensors")
    files = {
        f"/{file.repo}/resolve/main/{file.path}": (folder / Path(file.path).name).read_bytes()
        for file in files_of(NAME)
    }
    with stand_in(files) as running:
        yield running


@pytest.fixture(scope="module")
def server(comfyui: Path, hub: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A ComfyUI without any model that knows this hub only: the client reads its settings when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HUB_DISABLE_XET", "1")
        base = tmp_path_factory.mktemp("without_models")
        with ComfyServer(comfyui, base, Path(sys.executable)) as running:
            yield running


def prompt_of(server: ComfyServer, *, download: bool) -> dict[str, Any]:
    """The Hallo workflow, short."""
    drawn = json.loads((PACK / "example_workflows" / "hallo_portrait.json").read_text())
    prompt = convert_ui_to_api(drawn, server.get("/object_info"))
    for node in prompt.values():
        changes = SHORT | {"download": download}
        node["inputs"].update({key: value for key, value in changes.items() if key in node["inputs"]})
    return prompt


def test_files_come_only_when_the_box_is_ticked(server: ComfyServer, hub: StandIn) -> None:
    refused = server.run(prompt_of(server, download=False))
    assert "net.pth" in (refused.error or "")
    assert not hub.asked
    made = server.run(prompt_of(server, download=True))
    assert made.status == "success", made.error
    assert sorted(hub.asked) == sorted(hub.files)
    assert list((server.base / "models" / "emo").rglob("net.pth"))
    again = server.run(prompt_of(server, download=False))
    assert again.status == "success", again.error
    assert len(hub.asked) == len(hub.files)


def test_a_file_that_arrives_damaged_is_an_error_that_names_it(server: ComfyServer, hub: StandIn) -> None:
    (net,) = (path for path in hub.files if path.endswith("net.pth"))
    for file in (server.base / "models" / "emo").rglob("net.pth"):
        file.unlink()
    hub.sent_instead[net] = hub.files[net][:-1] + b"x"
    error = server.run(prompt_of(server, download=True)).error or ""
    assert "net.pth" in error
    assert "was corrupt and has been removed" in error
