"""Which family a case is of, and its checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from ..detect import detect
from ..errors import UnknownFamilyError
from .check import Check
from .hallo import check_hallo
from .whisper import check_whisper
from .windowed import check_echomimic, check_v_express

_CASES = {"hallo": check_hallo, "echomimic": check_echomimic, "v_express": check_v_express}


def check_folder(folder: Path) -> Iterator[Check]:
    """Compare every expected tensor of a case that the authors' code made.

    The family is found from the tensors' names. Raises UnknownFamilyError if the folder is no such case.
    """
    if (folder / "whisper_encoder.safetensors").is_file():
        checks = check_whisper
    else:
        name = detect(folder).family.name
        if name not in _CASES:
            raise UnknownFamilyError(
                f"{folder} is a checkpoint of {name}, for which there are no parity cases"
            )
        checks = _CASES[name]
    with torch.inference_mode():
        yield from checks(folder)
