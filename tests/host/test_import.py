"""The pack in the real host: imported without a complaint, its nodes listed."""

import ast

import pytest
from comfy_server import PACK, PACK_FOLDER, ComfyServer

pytestmark = pytest.mark.host


def node_ids() -> set[str]:
    """The ids in the source of nodes/, found without importing it."""
    return {
        keyword.value.value
        for path in (PACK / "nodes").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "node_id" and isinstance(keyword.value, ast.Constant)
    }


def test_the_host_imports_the_pack_without_a_complaint(host: ComfyServer) -> None:
    assert PACK_FOLDER in host.log
    assert "IMPORT FAILED" not in host.log
    assert "could not be loaded" not in host.log


def test_every_node_of_the_pack_is_offered(host: ComfyServer) -> None:
    offered = {key for key, info in host.get("/object_info").items() if PACK_FOLDER in info["python_module"]}
    assert offered == node_ids()


def test_every_id_carries_our_prefix() -> None:
    assert all(name.startswith("EMO_") for name in node_ids())
