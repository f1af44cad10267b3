"""The real ComfyUI and the pack as modules of this process, without a server: for the tests and `words.py`."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PACK = Path(__file__).resolve().parents[1]


def import_comfy(comfyui: Path) -> ModuleType:
    """The host's `comfy` package from the folder `comfyui`, on the CPU."""
    sys.path.insert(0, str(comfyui))
    options = importlib.import_module("comfy.cli_args")
    options.args.cpu = True  # before model_management looks for a GPU
    for name in ("comfy.model_management", "comfy.sample", "comfy.sd"):
        importlib.import_module(name)
    return sys.modules["comfy"]


def import_pack() -> ModuleType:
    """The pack as the host imports it: under a path for a name, so that only relative imports work."""
    name = str(PACK).replace(".", "_x_")
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, PACK / "__init__.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
