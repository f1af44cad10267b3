"""What can be wrong with checkpoint files; every message says what was found and what to do."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A checkpoint that cannot be used."""


class UnknownKeyError(CheckpointError):
    """A tensor whose name no rule of the family knows."""


class MissingKeyError(CheckpointError):
    """A tensor the networks need and the files do not have."""


class ShapeError(CheckpointError):
    """A tensor of another shape than the networks need."""


class UnknownFamilyError(CheckpointError):
    """Files of no known family."""


class UnreadableFileError(CheckpointError):
    """A file that is no checkpoint, or a broken one."""


class MissingFileError(FileNotFoundError):
    """Published files that are not where they are looked for."""


class DownloadError(OSError):
    """A file that could not be fetched, or is not what the hub says it is."""
