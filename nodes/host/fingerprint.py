"""A name for all that determines a result, so that what lies on disk is used for the same and nothing else."""

from __future__ import annotations

import enum
import functools
import hashlib
import pickle
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import comfy.model_management as mm
import comfy.model_patcher
import comfyui_version
import torch
from torch import Tensor

from ...emo_core.media.disk import read_rows
from .managed import Managed

PACK = Path(__file__).resolve().parents[2]
CHUNK = 1 << 20  # numbers of a tensor looked at at once
PATCHES = ("patches", "object_patches", "weight_wrapper_patches", "hook_patches", "forced_hooks", "wrappers")
PATCHES += ("injections", "additional_models", "attachments", "model_options")
"""What a ModelPatcher adds to its weights."""


class Unnameable(TypeError):
    """Something whose content cannot be told, so that no result of it can be known again."""


def fingerprint(*values: Any) -> str:
    """A hexadecimal digest of the values' content, of this pack's code and of the machine's software.

    Unnameable if something among them has no content that could be read.
    """
    walk = _Walk()
    walk.add(
        (comfyui_version.__version__, torch.__version__, mm.get_torch_device_name(mm.get_torch_device()))
    )
    for folder in ("emo_core", "nodes"):
        for path in sorted((PACK / folder).rglob("*.py")):
            walk.add(path.read_bytes())
    for value in values:
        walk.add(value)
    return walk.hash.hexdigest()[:40]


class _Walk:
    """Feeds values of any kind to a hash; what was seen before is a number, so that circles end."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # ids stay unique while the objects live
        self._readers: dict[Any, Callable[[Any], None]] = {
            Tensor: self._tensor,
            comfy.model_patcher.ModelPatcher: self._patcher,
            Managed: self._managed,
            Mapping: self._mapping,
            list: self._list,
            (set, frozenset): self._set,
            type: self._class,
            types.FunctionType: self._function,
            types.MethodType: self._method,
            functools.partial: self._partial,
        }

    def add(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            self.hash.update(f"<{type(value).__module__}.{type(value).__qualname__}>".encode())
        if value is None or isinstance(value, (bool, int, float, complex, str, enum.Enum, torch.dtype, Path)):
            self.hash.update(repr(value).encode())
        elif isinstance(value, (bytes, bytearray)):
            self.hash.update(len(value).to_bytes(8, "big") + value)
        elif isinstance(value, (uuid.UUID, torch.device)):
            pass  # names of a run or a place, not content
        elif isinstance(value, tuple):
            self._items([len(value), *value])
        elif id(value) in self._seen:
            self.hash.update(str(self._seen[id(value)]).encode())
        else:
            self._seen[id(value)] = len(self._kept)
            self._kept.append(value)
            self._content(value)

    def _content(self, value: Any) -> None:
        for kinds, read in self._readers.items():
            if isinstance(value, kinds):
                read(value)
                return
        self._object(value)

    def _managed(self, managed: Managed[Any]) -> None:
        self._items((managed.precision, managed.network.state_dict()))

    def _mapping(self, mapping: Mapping[Any, Any]) -> None:
        self._items([len(mapping), *(part for item in mapping.items() for part in item)])

    def _list(self, values: list[Any]) -> None:
        self._items([len(values), *values])

    def _set(self, values: set[Any]) -> None:
        self._items([len(values), *sorted(values, key=repr)])

    def _class(self, kind: type) -> None:
        self._items([f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__])

    def _method(self, method: types.MethodType) -> None:
        self._items((method.__func__, method.__self__))

    def _partial(self, partial: functools.partial[Any]) -> None:
        self._items((partial.func, partial.args, partial.keywords))

    def _items(self, values: Any) -> None:
        for value in values:
            self.add(value)

    def _tensor(self, tensor: Tensor) -> None:
        self._items((tuple(tensor.shape), tensor.dtype))
        rows = tensor.detach() if tensor.ndim else tensor.detach()[None]
        step = max(1, CHUNK // max(1, rows[:1].numel()))
        for start in range(0, rows.shape[0], step):
            part = read_rows(rows, start, start + step).cpu().contiguous()
            self.hash.update(part.reshape(-1).view(torch.uint8).numpy().data)

    def _function(self, function: types.FunctionType) -> None:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        self._items(
            (function.__module__, function.__qualname__, function.__defaults__, function.__kwdefaults__)
        )
        self._items(
            (function.__code__.co_code, [_constant(part) for part in function.__code__.co_consts], cells)
        )

    def _patcher(self, patcher: comfy.model_patcher.ModelPatcher) -> None:
        """The weights as they are without patches, whether or not they are patched just now, and the patches."""
        model: Any = patcher.model
        backup = patcher.backup
        state = model.state_dict()
        weights = {name: backup[name].weight if name in backup else value for name, value in state.items()}
        self._items((type(model), weights, patcher.model_dtype(), getattr(model, "manual_cast_dtype", None)))
        for name in ("emo_config", "latent_format", "model_type"):
            self.add(getattr(model, name, None))
        if hasattr(model, "model_sampling"):
            self.add(patcher.get_model_object("model_sampling"))
        for name in PATCHES:
            self._items((name, getattr(patcher, name, None)))

    def _object(self, value: Any) -> None:
        """Whatever the object itself would give to be copied."""
        try:
            reduced = value.__reduce_ex__(2)
        except (TypeError, AttributeError, RuntimeError, pickle.PicklingError) as error:
            raise Unnameable(f"{type(value).__qualname__} has no content that could be compared") from error
        if isinstance(reduced, str):
            self.add(reduced)
            return
        self._items(list(part) if isinstance(part, Iterator) else part for part in reduced)


def _constant(value: Any) -> Any:
    """A constant of a function; code inside it by its bytes and constants."""
    if isinstance(value, types.CodeType):
        return (value.co_code, [_constant(part) for part in value.co_consts])
    return value
