"""Every known family. A new sibling is one table file, one line here, and its manifest in the tests."""

from __future__ import annotations

from .companions import SD_VAE, WAV2VEC2_BASE, WHISPER_TINY
from .echomimic import ECHOMIMIC
from .emo import EMO
from .errors import UnknownFamilyError
from .family import Companion, Family, Release
from .hallo import HALLO
from .v_express import V_EXPRESS

FAMILIES: tuple[Family, ...] = (EMO, HALLO, ECHOMIMIC, V_EXPRESS)
RELEASES: tuple[Release, ...] = tuple(release for family in FAMILIES for release in family.releases)
COMPANIONS: tuple[Companion, ...] = (SD_VAE, WAV2VEC2_BASE, WHISPER_TINY)


def release_named(name: str) -> Release:
    """The published release of that name; UnknownFamilyError lists the names there are."""
    for release in RELEASES:
        if release.name == name:
            return release
    raise UnknownFamilyError(f"no release {name!r}: there are {', '.join(r.name for r in RELEASES)}")
