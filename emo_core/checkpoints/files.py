"""Reading weight files: names and shapes without the data, tensors without copies, nothing executed."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import CheckpointError, UnreadableFileError
from .family import Shape

SUFFIXES = (".safetensors", ".pth", ".bin", ".pt", ".ckpt")
"""Of weight files, best first."""

_GARBLED = (UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError)
_GARBLED += (ArithmeticError, AssertionError, ImportError, MemoryError, struct.error)
"""What PyTorch's unpickler raises on bytes that are no pickle; it stumbles over them in many ways."""

_WRAPPERS = ("state_dict", "model_state_dict")


def read_shapes(path: Path) -> dict[str, Shape]:
    """Tensor names and shapes of a weight file, without reading its data."""
    if path.suffix == ".safetensors":
        with _opened(path) as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    return {key: tuple(value.shape) for key, value in _unpickle(path, "meta").items()}


def read_tensors(path: Path, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """The tensors of a weight file, mapped from disk and in the file's dtype if none is given.

    Pickles are read with `weights_only=True`: a file that wants to run code is refused.
    """
    if path.suffix == ".safetensors":
        with _opened(path) as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    else:
        tensors = _unpickle(path, "cpu")
    if dtype is None:
        return tensors
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in tensors.items()}


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a .safetensors file; empty for other files."""
    if path.suffix != ".safetensors":
        return {}
    with _opened(path) as file:
        return dict(file.metadata() or {})


def read_json(metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    """A JSON object in metadata; CheckpointError if it is none."""
    try:
        data = json.loads(metadata[key])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"the file's metadata {key!r} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"the file's metadata {key!r} must be a JSON object, got {type(data).__name__}")
    return data


def _opened(path: Path) -> Any:
    try:
        return safe_open(str(path), framework="pt", device="cpu")
    except SafetensorError as error:
        raise _broken(path, error) from error


def _unpickle(path: Path, device: str) -> dict[str, Tensor]:
    try:
        data = _load(path, device)
    except _GARBLED as error:
        raise _broken(path, error) from error
    for name in _WRAPPERS:
        if isinstance(data, dict) and isinstance(data.get(name), dict):
            data = data[name]
    if not isinstance(data, dict):
        raise UnreadableFileError(f"{path} holds a {type(data).__name__}, not named tensors")
    return {key: value for key, value in data.items() if isinstance(value, Tensor)}


def _load(path: Path, device: str) -> Any:
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"  # files older than PyTorch 1.6 cannot be mapped
    return torch.load(path, map_location=device, weights_only=True, mmap=True if zipped else None)


def _broken(path: Path, error: Exception) -> UnreadableFileError:
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        reason = "it is only a pointer of git-lfs; fetch the file itself"
    elif start.lstrip().lower().startswith((b"<html", b"<!doctype", b"<?xml", b'{"')):
        reason = "it is a web page or text; download it again"
    else:
        reason = f"{cast(str, str(error).splitlines()[0]) if str(error) else type(error).__name__}"
    return UnreadableFileError(f"{path} ({path.stat().st_size} bytes) is not a weight file: {reason}")
