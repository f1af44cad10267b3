"""Published files: which there are, where they go, what is present; and fetching them when a user asks.

The one list of files is that of the registry; loaders, `models list` and `models download` all read it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..media.digest import sha256_of
from .detect import find_companion, weight_files
from .errors import DownloadError, MissingFileError
from .family import Companion, Licence, Release
from .registry import COMPANIONS, RELEASES

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HubFile:
    """One published file."""

    repo: str
    path: str
    """In the repository."""
    folder: str
    """Below the models folder; there it keeps its path in the repository."""
    gigabytes: float

    def target(self, root: Path) -> Path:
        """Where a download puts it."""
        return root / self.folder / self.path


@dataclass(frozen=True)
class Status:
    """A file and where it is, if it is."""

    file: HubFile
    found: Path | None


@dataclass(frozen=True)
class Entry:
    """A release or a companion, as a list shows it."""

    name: str
    title: str
    licence: Licence
    note: str
    files: tuple[Status, ...]
    needs: tuple[str, ...]
    """Names of companions."""


def catalogue(root: Path, more_folders: Sequence[Path] = ()) -> list[Entry]:
    """Every release and companion, with what is present in `root` and in other folders (ComfyUI's own)."""
    return [_release_entry(release, root) for release in RELEASES] + [
        _companion_entry(companion, [root, *more_folders]) for companion in COMPANIONS
    ]


def files_of(name: str) -> list[HubFile]:
    """What to fetch for a release, with its companions, or for a companion; ValueError lists the names."""
    for release in RELEASES:
        if release.name == name:
            own = [HubFile(release.repo, p.hub_path, release.folder, p.gigabytes) for p in release.parts]
            return own + [_companion_file(companion) for companion in release.companions]
    for companion in COMPANIONS:
        if companion.name == name:
            return [_companion_file(companion)]
    names = ", ".join(thing.name for thing in (*RELEASES, *COMPANIONS))
    raise ValueError(f"nothing published is called {name!r}; there are {names}")


def download(
    name: str, root: Path, more_folders: Sequence[Path] = (), *, force: bool = False
) -> Iterator[tuple[HubFile, Path]]:
    """Fetch what is missing for `name` and yield each file when it is there and checked.

    Files that are already present, also in other folders, are kept unless `force`. Broken transfers are resumed,
    also by the next call; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured. Raises DownloadError if a file
    cannot be fetched or differs from what the hub says; a wrong file is removed and never gets the name that
    loaders look for.
    """
    present = {status.file: status.found for entry in catalogue(root, more_folders) for status in entry.files}
    for file in files_of(name):
        found = None if force else present.get(file)
        yield file, found or _fetch(file, root)


def _fetch(file: HubFile, root: Path) -> Path:
    try:
        import huggingface_hub as hub
        from huggingface_hub.file_download import http_get
    except ImportError as error:
        raise DownloadError(
            "downloads need the package huggingface_hub: pip install huggingface_hub"
        ) from error
    target = file.target(root)
    logger.info("fetching %s of %s to %s", file.path, file.repo, target)
    try:
        url = hub.hf_hub_url(file.repo, file.path)
        metadata = hub.get_hf_file_metadata(url)
        # named after its content: what is left of another version is not continued
        part = target.with_name(f"{target.name}.{(metadata.etag or 'part')[:12]}.incomplete")
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as received:  # hf_hub_download throws away what a killed run has received
            http_get(
                url,
                received,
                resume_size=received.tell(),
                headers=hub.utils.build_hf_headers(),
                expected_size=metadata.size,
            )
    except Exception as error:  # the client and its HTTP library have many, which differ by version
        raise DownloadError(f"{file.path} of {file.repo} could not be fetched: {error}") from error
    _verify(part, metadata.size, metadata.etag)
    return part.replace(target)


def _verify(path: Path, size: int | None, etag: str | None) -> None:
    """Compare a file with its size and, for large files, its SHA-256 on the hub; remove it if it differs."""
    actual = path.stat().st_size
    wrong = f"it has {actual} bytes and should have {size}" if size is not None and actual != size else ""
    if not wrong and etag is not None and len(etag) == 64 and sha256_of(path) != etag:  # large files have one
        wrong = f"its SHA-256 is not {etag}"
    if wrong:
        path.unlink()
        raise DownloadError(f"{path.name} was corrupt and has been removed, {wrong}: run the command again")


def _release_entry(release: Release, root: Path) -> Entry:
    folder = root / release.folder
    present = {file.stem: file for file in weight_files(folder)} if folder.is_dir() else {}
    files = tuple(
        Status(HubFile(release.repo, part.hub_path, release.folder, part.gigabytes), present.get(part.stem))
        for part in release.parts
    )
    needs = tuple(companion.name for companion in release.companions)
    return Entry(release.name, release.title, release.licence, release.note, files, needs)


def _companion_entry(companion: Companion, folders: Sequence[Path]) -> Entry:
    try:
        found = find_companion(companion, folders)
    except MissingFileError:
        found = None
    status = Status(_companion_file(companion), found)
    return Entry(companion.name, companion.title, companion.licence, "", (status,), ())


def _companion_file(companion: Companion) -> HubFile:
    return HubFile(companion.repo, companion.hub_path, companion.name, companion.gigabytes)
