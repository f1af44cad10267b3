"""The workflows of the published families, on small files in the published layouts, in the real server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from checkpoints.tiny import write_audio_encoders, write_release, write_vae
from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import PACK, ComfyServer

from emo_core.media.video import read_frames

pytestmark = pytest.mark.host
RELEASES = {"hallo_portrait": "hallo", "echomimic_accelerated": "echomimic_acc"}
FRAMES = {"hallo_portrait": 8, "echomimic_accelerated": 8}
SHORT = {"size": 64, "steps": 1, "length": 0.32}


@pytest.fixture(scope="module")
def files(host: ComfyServer) -> None:
    """What a user has downloaded."""
    models = host.base / "models"
    for name in RELEASES.values():
        write_release(name, models / "emo" / name.removesuffix("_acc"))
    write_vae(models / "vae" / "sd-vae-ft-mse.safetensors")
    write_audio_encoders(models / "audio_encoders")


def prompt_of(host: ComfyServer, name: str) -> dict[str, Any]:
    """What the frontend sends for a workflow file."""
    drawn = json.loads((PACK / "example_workflows" / f"{name}.json").read_text())
    return convert_ui_to_api(drawn, host.get("/object_info"))


@pytest.mark.parametrize("name", RELEASES)
def test_every_widget_of_the_workflow_has_the_value_that_is_drawn(host: ComfyServer, name: str) -> None:
    nodes = {node["class_type"]: node["inputs"] for node in prompt_of(host, name).values()}
    assert nodes["EMO_LoadModel"]["model_name"] == RELEASES[name]
    assert nodes["EMO_LoadModel"]["download"] is False
    assert nodes["EMO_EncodeFaceRegion"]["margin"] == 0.1
    settings = {key: nodes["EMO_Sample"][key] for key in ("steps", "cfg", "audio_cfg", "sampler_name")}
    steps, scale = {"hallo_portrait": (40, 3.5), "echomimic_accelerated": (6, 1.0)}[name]
    assert settings == {"steps": steps, "cfg": scale, "audio_cfg": scale, "sampler_name": "emo_ddim"}


@pytest.mark.parametrize("name", RELEASES)
def test_the_workflow_makes_a_video(host: ComfyServer, files: None, name: str) -> None:
    prompt = prompt_of(host, name)
    for node in prompt.values():
        node["inputs"].update({key: value for key, value in SHORT.items() if key in node["inputs"]})
    result = host.run(prompt)
    assert result.status == "success", result.error
    (saver,) = [key for key, node in prompt.items() if node["class_type"] == "SaveVideo"]
    (entry,) = result.outputs[saver]["images"]
    frames = list(read_frames(host.base / "output" / entry["subfolder"] / entry["filename"]))
    assert len(frames) == FRAMES[name]


def test_files_that_are_not_there_are_named_with_folder_and_command(host: ComfyServer) -> None:
    prompt = prompt_of(host, "hallo_portrait")
    (loader,) = [node for node in prompt.values() if node["class_type"] == "EMO_LoadModel"]
    loader["inputs"]["model_name"] = "v_express"
    error = host.run(prompt).error or ""
    assert "reference_net.bin (about 1.72 GB)" in error
    assert str(host.base / "models" / "emo" / "v_express") in error
    assert "models download v_express" in error
