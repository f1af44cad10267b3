"""Which family and release files are, from the tensors in them; file names only choose between equals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import MissingFileError, UnknownFamilyError, UnreadableFileError
from .family import Companion, Family, Part, Release, Shape
from .files import SUFFIXES, read_shapes
from .registry import FAMILIES, RELEASES, release_named

_Claim = tuple[Release, dict[Part, Path]]

_DEPTH = 3
"""Folders below a chosen folder in which published files may lie."""

_ADVICE = (
    "supported are EMO's own .safetensors, Hallo, Hallo2, EchoMimic v1 (audio mode) and V-Express; "
    "AniPortrait, Moore-AnimateAnyone, EchoMimic's landmark mode, EchoMimic v2/v3 and Hallo3 are not"
)


@dataclass(frozen=True)
class Found:
    """The files of one checkpoint, in the order in which later ones win."""

    family: Family
    release: Release | None
    files: tuple[tuple[str, Path], ...]
    """(prefix of the keys, file)."""


def family_of(shapes: Mapping[str, Shape]) -> Family | None:
    """The family that claims these published names (with their parts' prefixes) and shapes."""
    return next((family for family in FAMILIES if family.marks.match(shapes)), None)


def detect(path: Path, release: str | None = None) -> Found:
    """Find the family and the files of a checkpoint that is a file or a folder.

    release: the user's choice between releases of the same layout, such as "echomimic_acc".
    Raises MissingFileError if published files are incomplete, UnknownFamilyError if nothing fits.
    """
    if not path.exists():
        raise MissingFileError(f"there is no {path}")
    single = _single_file(path) if path.is_file() else None
    if single is not None:
        return single if release is None else _as_release(single, release)
    folder = path if path.is_dir() else path.parent
    files = sorted(weight_files(folder), key=lambda file: (len(file.parts), SUFFIXES.index(file.suffix)))
    wanted = RELEASES if release is None else (release_named(release),)
    claims = _claims(wanted, files)
    if claims:
        return _best(claims, path, folder)
    for file in files if path.is_dir() else ():  # beside a file that was chosen, another is no answer
        found = _readable_single_file(file)
        if found is not None:
            return found if release is None else _as_release(found, release)
    raise UnknownFamilyError(f"{path} holds no checkpoint of a known family: {_ADVICE}")


def weight_files(folder: Path, depth: int = _DEPTH) -> Iterable[Path]:
    """Weight files in `folder` and a few folders below."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and depth > 0 and not entry.name.startswith("."):
            yield from weight_files(entry, depth - 1)
        elif entry.suffix in SUFFIXES:
            yield entry


def find_companion(companion: Companion, folders: Sequence[Path]) -> Path:
    """The file of a VAE or audio encoder, in the first of `folders` that has one."""
    for folder in folders:
        for pattern in companion.patterns:
            files = [f for f in sorted(folder.glob(f"**/{pattern}")) if f.suffix in SUFFIXES]
            if files:
                return min(files, key=lambda file: SUFFIXES.index(file.suffix))
    raise MissingFileError(missing_companion(companion, folders))


def missing_companion(companion: Companion, folders: Sequence[Path]) -> str:
    """What to do about a companion that is nowhere."""
    searched = ", ".join(str(folder) for folder in folders) or "no folder"
    name = companion.hub_path.rsplit("/", 1)[-1]
    return (
        f"{companion.title} is missing (about {companion.gigabytes:g} GB): put {name} of "
        f"https://huggingface.co/{companion.repo} into models/emo/{companion.name} (looked in: "
        f"{searched}), or run `python -m emo_core models download {companion.name}`"
    )


def _claims(wanted: Iterable[Release], files: Sequence[Path]) -> list[_Claim]:
    """Releases some of whose files are among `files`, by name and by the family of their tensors."""
    claims = []
    shapes: dict[Path, dict[str, Shape]] = {}
    for release in wanted:
        found: dict[Part, Path] = {}
        for part in release.parts:
            same = [file for file in files if file.stem == part.stem]
            if same:
                found[part] = min(same, key=lambda file: release.hint not in _near(file))
        for file in found.values():
            if file not in shapes:
                shapes[file] = read_shapes(file)
        family = family_of(
            {part.prefix + key: s for part, f in found.items() for key, s in shapes[f].items()}
        )
        if family is not None and release in family.releases:
            claims.append((release, found))
    return claims


def _best(claims: Sequence[_Claim], path: Path, folder: Path) -> Found:
    """The first complete claim, unless the path names another; MissingFileError if none is complete."""

    def rank(claim: _Claim) -> tuple[bool, bool, bool]:
        release, found = claim
        rivals = [other for _, other in claims if set(other.values()) == set(found.values())]
        hinted = bool(release.hint) and any(release.hint in _near(file) for file in found.values())
        return len(found) == len(release.parts), path in found.values(), hinted and len(rivals) > 1

    release, found = max(claims, key=rank)
    missing = [part for part in release.parts if part not in found]
    if missing:
        raise MissingFileError(missing_parts(release, missing, folder))
    family = next(family for family in FAMILIES if release in family.releases)
    return Found(family, release, tuple((part.prefix, found[part]) for part in release.parts))


def missing_parts(release: Release, parts: Sequence[Part], folder: Path) -> str:
    """What to do about files of a release that are not in `folder`."""
    names = ", ".join(f"{part.hub_path} (about {part.gigabytes:g} GB)" for part in parts)
    return (
        f"{release.title} in {folder} is incomplete, missing: {names}. Put the files of "
        f"https://huggingface.co/{release.repo} there, or run "
        f"`python -m emo_core models download {release.name}`"
    )


def _near(file: Path) -> str:
    """A file's folder and name, which may tell a release."""
    return "/".join(file.parts[-2:]).lower()


def _readable_single_file(path: Path) -> Found | None:
    try:
        return _single_file(path)
    except UnreadableFileError:
        return None  # not the file that was asked for


def _single_file(path: Path) -> Found | None:
    """A checkpoint in one file, whatever the file's name."""
    family = family_of(read_shapes(path))
    if family is None:
        return None
    fitting = [release for release in family.releases if len(release.parts) == 1]
    hinted = [release for release in fitting if release.hint and release.hint in _near(path)]
    release = (hinted or fitting or [None])[0]
    return Found(family, release, (("", path),))


def _as_release(found: Found, name: str) -> Found:
    release = release_named(name)
    if release not in found.family.releases:
        raise UnknownFamilyError(f"{found.files[0][1]} is {found.family.title}, not {release.title}")
    return Found(found.family, release, found.files)
