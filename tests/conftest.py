"""Fixtures: the real host in this process (`comfy`, `pack`) and as a server (`host`).

The repository's root goes to the end of the search path, behind everything: our `nodes` and `tests` must not
stand before the host's.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMFYUI = Path(os.environ.get("COMFYUI") or ROOT / ".cache" / "comfyui")
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
sys.path += [str(ROOT / "tests"), str(ROOT / "scripts"), str(ROOT)]

from comfy_server import ComfyServer  # noqa: E402
from hypothesis import settings  # noqa: E402

# CI tries the same cases each time: what chance finds belongs to the person who sees it, not to the next change
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
from in_process import import_comfy, import_pack  # noqa: E402


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The host's folder. The tests need it: `make test` puts it there."""
    if not (COMFYUI / "main.py").is_file():
        pytest.fail(f"no ComfyUI in {COMFYUI}: run `make setup`, or name one with COMFYUI=")
    return COMFYUI


@pytest.fixture(scope="session")
def host(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A ComfyUI server with only this pack, on a free port, in a base folder of its own."""
    with ComfyServer(comfyui, tmp_path_factory.mktemp("comfyui"), Path(sys.executable)) as server:
        yield server


@pytest.fixture(scope="session")
def comfy(comfyui: Path) -> ModuleType:
    """The host's `comfy` package in this process, on the CPU. Call it under `torch.inference_mode()`."""
    return import_comfy(comfyui)


@pytest.fixture(scope="session")
def pack(comfy: ModuleType) -> ModuleType:
    """The pack as the host imports it: under a path for a name, so that only relative imports work.

    Its `emo_core` is a second copy, apart from the one that tests import: take classes from here.
    """
    return import_pack()
