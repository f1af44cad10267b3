"""The talking-portrait workflow in the real server, and the host's nodes in this process, on random weights."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import PACK, ComfyServer
from stock import Studio
from support import Pack, random_checkpoint

WORKFLOWS = PACK / "example_workflows"
Prompt = dict[str, Any]


@pytest.fixture(scope="session")
def workflow(host: ComfyServer) -> Callable[..., Prompt]:
    """`workflow(steps=2, ...)`: the prompt of the talking-portrait workflow, short, with widgets changed."""
    folder = host.base / "models" / "emo"
    folder.mkdir(exist_ok=True)
    random_checkpoint(folder / "random.safetensors")
    drawn = json.loads((WORKFLOWS / "talking_portrait.json").read_text())
    converted = convert_ui_to_api(drawn, host.get("/object_info"))
    short = {"model_name": "random.safetensors", "length": 0.4, "steps": 2, "clip_frames": 4}

    def changed(**widgets: Any) -> Prompt:
        prompt = json.loads(json.dumps(converted))
        for name, value in {**short, **widgets}.items():
            holders = [node for node in prompt.values() if not isinstance(node["inputs"].get(name, []), list)]
            assert holders, f"no node has a widget {name}"
            for node in holders:
                node["inputs"][name] = value
        return prompt

    return changed


@pytest.fixture(scope="session")
def studio(pack: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A small model of ours and the host's nodes, in this process."""
    with torch.inference_mode():  # not around a yield: the mode would last for all later tests
        return Studio(Pack(pack), tmp_path_factory.mktemp("studio") / "random.safetensors")
