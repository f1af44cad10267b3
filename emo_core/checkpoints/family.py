"""What a checkpoint family is: a layout of files, a table of keys, a config. Families hold no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config import EmoConfig
from .keymap import KeyMap

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Licence:
    """Under what terms something may be used."""

    code: str
    weights: str
    commercial: bool
    """Whether the weights may be used commercially."""


@dataclass(frozen=True)
class Part:
    """One weight file of a release."""

    prefix: str
    """What its keys get in front, so that the files of a family share one name space."""
    stem: str
    """File name without suffix."""
    hub_path: str
    """Path in the release's repository on the hub."""
    gigabytes: float
    """About how large it is; the hub knows exactly."""


@dataclass(frozen=True)
class Companion:
    """A published network that several families share: the VAE, an audio encoder."""

    name: str
    """Its folder below the models folder."""
    title: str
    repo: str
    hub_path: str
    gigabytes: float
    licence: Licence
    patterns: tuple[str, ...]
    """File patterns by which it is found, best first, relative to any searched folder."""
    host_folder: str
    """ComfyUI's folder for files of this kind."""


@dataclass(frozen=True)
class Release:
    """Published files of one family: everything a user has to have."""

    name: str
    """In commands and in the load node."""
    title: str
    repo: str
    parts: tuple[Part, ...]
    companions: tuple[Companion, ...]
    licence: Licence
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Nested changes to the family's config."""
    hint: str = ""
    """Text in a file's path by which this release is preferred to others of the same layout."""
    note: str = ""
    shares_folder: str = ""
    """The release in whose folder its files lie too, because the two have files in common."""

    @property
    def folder(self) -> str:
        """Its folder below the models folder."""
        return self.shares_folder or self.name


@dataclass(frozen=True)
class Marks:
    """How a family shows in the published tensor names (with their parts' prefixes)."""

    present: tuple[str, ...]
    absent: tuple[str, ...] = ()
    inputs: Mapping[str, int] = field(default_factory=dict)
    """Input widths (second dimension) that tensors must have."""

    def match(self, shapes: Mapping[str, Shape]) -> bool:
        """Whether tensors of these names and shapes are of this family."""
        widths = all(key not in shapes or shapes[key][1] == width for key, width in self.inputs.items())
        return widths and all(k in shapes for k in self.present) and not any(k in shapes for k in self.absent)


@dataclass(frozen=True)
class Family:
    """A layout of published files and what it means."""

    name: str
    title: str
    marks: Marks
    key_map: KeyMap
    config: EmoConfig
    """At the published size; the widths of other files are read from their shapes."""
    releases: tuple[Release, ...]
