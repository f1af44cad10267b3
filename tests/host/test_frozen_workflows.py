"""A workflow saved with an earlier version opens, means the same and is accepted by the server."""

import json
import time
from typing import Any

import pytest
from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import PACK, ComfyServer

pytestmark = pytest.mark.host

FROZEN = PACK / "tests" / "workflows"
NAMES = [str(path.relative_to(FROZEN)) for path in sorted(FROZEN.glob("*/*.json"))]


def converted(host: ComfyServer, name: str) -> dict[str, Any]:
    """What the server gets when the saved file is opened and run today."""
    return convert_ui_to_api(json.loads((FROZEN / name).read_text()), host.get("/object_info"))


@pytest.mark.parametrize("name", NAMES)
def test_every_widget_and_link_of_a_saved_workflow_means_what_it_meant(host: ComfyServer, name: str) -> None:
    today = converted(host, name)
    version, file = name.split("/")
    for node_id, saved in json.loads((FROZEN / version / "api" / file).read_text()).items():
        node = today[node_id]
        assert node["class_type"] == saved["class_type"]
        for key, value in saved["inputs"].items():
            assert node["inputs"].get(key) == value, (
                f"{node['class_type']}.{key} was {value!r} in {name} and is {node['inputs'].get(key)!r} now: inputs "
                "are only ever added, at the end"
            )


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_workflow_is_accepted_by_the_server(host: ComfyServer, name: str) -> None:
    host.post("/prompt", {"prompt": converted(host, name), "client_id": "frozen"})  # raises what it refuses
    host.post("/queue", {"clear": True})
    end = time.monotonic() + 120
    while host.get("/prompt")["exec_info"]["queue_remaining"]:
        assert time.monotonic() < end, "the server did not stop"
        host.post("/interrupt", {})  # again and again: one that comes before a prompt has begun is forgotten
        time.sleep(0.1)


def test_there_are_saved_workflows() -> None:
    assert NAMES, f"no workflow in {FROZEN}"
