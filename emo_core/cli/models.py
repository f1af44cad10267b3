"""Published models: list them, download them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what there is, its licence, where it goes, what is present")
    fetching = actions.add_parser("download", help="fetch what is missing of a model and check it")
    fetching.add_argument("name", nargs="+", help="a name from `models list`")
    fetching.add_argument("--force", action="store_true", help="fetch again what is already there")
    for action in (listing, fetching):
        action.add_argument(
            "--models",
            type=Path,
            default=default_folder(),
            help="the folder models/emo (default: %(default)s)",
        )


def default_folder() -> Path:
    """EMO_MODELS, else models/emo of the ComfyUI this pack is installed in, else of the current folder."""
    if os.environ.get("EMO_MODELS"):
        return Path(os.environ["EMO_MODELS"])
    pack = Path(__file__).resolve().parents[2]
    home = pack.parents[1] if pack.parent.name == "custom_nodes" else Path.cwd()
    return home / "models" / "emo"


def run(args: argparse.Namespace) -> int:
    """List or download."""
    return _download(args) if args.action == "download" else _list(args.models)


def _list(root: Path) -> int:
    from ..checkpoints.hub import catalogue

    print(f"in {root}:")
    for entry in catalogue(root, host_folders(root)):
        use = "commercial use allowed" if entry.licence.commercial else "NON-COMMERCIAL"
        print(f"\n{entry.name}  {entry.title}")
        print(f"  licence: weights {entry.licence.weights}, code {entry.licence.code}; {use}")
        if entry.note:
            print(f"  {entry.note}")
        for status in entry.files:
            place = f"present: {status.found}" if status.found else f"missing: {status.file.target(root)}"
            print(f"  {status.file.gigabytes:6.2f} GB  {status.file.repo}/{status.file.path}  {place}")
        if entry.needs:
            print(f"  needs {', '.join(entry.needs)}")
    return 0


def _download(args: argparse.Namespace) -> int:
    from ..checkpoints.hub import download, files_of

    for name in args.name:
        size = sum(file.gigabytes for file in files_of(name))
        print(f"{name}: up to {size:.2f} GB")
        for file, path in download(name, args.models, host_folders(args.models), force=args.force):
            print(f"  {file.path}: {path}")
    return 0


def host_folders(root: Path) -> list[Path]:
    """ComfyUI's own folders beside models/emo, where a VAE or audio encoder may already be."""
    beside = (root.parent / name for name in ("vae", "audio_encoders"))
    return [folder for folder in beside if root.name == "emo" and folder.is_dir()]
