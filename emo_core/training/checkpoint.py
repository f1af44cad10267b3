"""Files of a training run, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

LOG_FILE = "log.jsonl"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a training folder for this process for as long as the `with` lasts; ValueError if another one has it.

    Workers of `torchrun` live on when their launcher is killed with SIGKILL, and would write what a second run reads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            lock_file(lock)
        except OSError as error:
            raise ValueError(
                f"another process trains in {folder}: wait for it, end it (pkill -f 'emo_core train'), or choose "
                "another --folder"
            ) from error
        yield


def lock_file(file: IO[str]) -> None:
    """Lock an open file until it is closed; OSError if it is locked already."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def save_state(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors, replacing the file in one step; who may read it is as for any new file."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch()
    mode = partial.stat().st_mode
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, partial, metadata)
    partial.chmod(mode)  # safetensors 0.8 lets nobody but the owner read what it saves, so no server of another user
    os.replace(partial, path)


def load_state(path: Path) -> dict[str, Tensor]:
    """Read what `save_state` wrote."""
    from safetensors.torch import load_file

    return load_file(path)


def link_file(path: Path, name: Path) -> None:
    """Give a file a second name, in place of the file that had it; a copy where there are no links."""
    partial = name.with_name(f".{name.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        os.link(path, partial)
    except OSError:
        shutil.copyfile(path, partial)
    os.replace(partial, name)


def save_training(path: Path, state: dict[str, Any]) -> None:
    """Write optimiser and generator states; tensors and plain values only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(state, partial)
    os.replace(partial, path)


def load_training(path: Path) -> dict[str, Any]:
    """Read what `save_training` wrote, without executing anything from the file."""
    return torch.load(path, weights_only=True)


def append_log(folder: Path, row: dict[str, Any]) -> None:
    """One more line of JSON in a folder's log."""
    with (folder / LOG_FILE).open("a") as file:
        file.write(json.dumps(row) + "\n")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a folder's log, none where nothing was trained."""
    path = folder / LOG_FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    os.replace(partial, path)
