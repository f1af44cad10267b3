"""Packages that only some commands need: imported when asked for, and one sentence if they are not there."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class MissingPackageError(ValueError):
    """A package that this command needs is not installed; the message says how to install it."""


def need(module: str, install: str) -> Any:
    """Import `module`; `install` are the words after `pip install` that bring it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingPackageError(
            f"this needs {module}, which is not here ({error}): pip install {install}"
        ) from error
