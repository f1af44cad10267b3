"""Files of a training run, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def save_state(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors, replacing the file in one step."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, partial, metadata)
    os.replace(partial, path)


def load_state(path: Path) -> dict[str, Tensor]:
    """Read what `save_state` wrote."""
    from safetensors.torch import load_file

    return load_file(path)


def save_training(path: Path, state: dict[str, Any]) -> None:
    """Write optimiser and generator states; tensors and plain values only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(state, partial)
    os.replace(partial, path)


def load_training(path: Path) -> dict[str, Any]:
    """Read what `save_training` wrote, without executing anything from the file."""
    return torch.load(path, weights_only=True)


def append_log(path: Path, row: dict[str, Any]) -> None:
    """One more line of JSON."""
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    os.replace(partial, path)
