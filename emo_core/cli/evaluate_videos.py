"""`evaluate` with folders of videos: the paper's tables, and a page that shows runs side by side."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..evaluation.judge import FindFace

FACES = ("sidecar", "detect", "instrument")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Folders of videos and networks."""
    group = parser.add_argument_group("videos and side-by-side")
    group.add_argument(
        "--generated",
        type=_named_folder,
        action="append",
        metavar="[NAME=]DIR",
        help="a run's videos; may be given several times",
    )
    group.add_argument("--truth", type=Path, help="the true videos, with the same file names")
    group.add_argument(
        "--networks", type=Path, help="folder of the published networks, see docs/evaluation.md"
    )
    group.add_argument(
        "--faces",
        choices=FACES,
        default="sidecar",
        help="where faces are: in <video>.faces.npz beside each video; found by the detector of `prepare`; or read by "
        "the built-in instrument, which knows rendered and drawn heads only",
    )
    group.add_argument("--draws", type=int, default=100, help="bootstrap draws")
    group.add_argument(
        "--blind", type=int, metavar="SEED", help="side-by-side: hide and shuffle the runs' names"
    )


def _named_folder(text: str) -> tuple[str, Path]:
    name, found, folder = text.rpartition("=")
    return (name, Path(folder)) if found else (Path(text).name, Path(text))


def run_videos(args: argparse.Namespace) -> int:
    """Write tables.json, tables.md and tables.png into --out and print one of the first two."""
    from ..evaluation.judge import Judge, namesakes, videos
    from ..evaluation.paper_plot import plot_tables
    from ..evaluation.paper_table import paper_tables

    if not args.generated or args.truth is None:
        raise ValueError("judging videos wants --generated DIR and --truth DIR")
    judge = Judge(args.networks, _find_face(args.faces))
    rows = {name: judge.describe(namesakes(folder, args.truth)) for name, folder in args.generated}
    rows["GT"] = judge.describe([(path, path) for path in videos(args.truth)])
    runs = {name: judge.scores(pairs, args.draws) for name, pairs in rows.items()}
    for name in ("FID", "FVD", "E-FID"):  # of the truth against itself there is nothing to say
        runs["GT"][name] = dataclasses.replace(runs["GT"][name], value=None, low=None, high=None)
    args.out.mkdir(parents=True, exist_ok=True)
    table = paper_tables(runs)
    results = {
        "runs": {run: {m: dataclasses.asdict(s) for m, s in scores.items()} for run, scores in runs.items()},
        "networks": {m: {"file": f.path.name, "sha256": f.sha256} for m, f in judge.files.items()},
        "faces": args.faces,
    }
    (args.out / "tables.json").write_text(json.dumps(results, indent=1))
    (args.out / "tables.md").write_text(table)
    plot_tables(runs, args.out / "tables.png")
    print(json.dumps(results, indent=1) if args.json else table)
    return 0


def _find_face(source: str) -> FindFace:
    from ..evaluation.judge import read_track

    if source == "sidecar":
        return read_track
    if source == "detect":
        from .detected_faces import DetectedFaces

        return DetectedFaces()
    from ..evaluation.instrument import Instrument
    from ..evaluation.instrument_track import face_track

    instrument = Instrument.open()
    return lambda path, frames: face_track(instrument, frames)


def run_side_by_side(args: argparse.Namespace) -> int:
    """Write one self-contained page into --out."""
    from ..evaluation.side_by_side import write_page

    if not args.generated:
        raise ValueError("side-by-side wants --generated NAME=DIR, best several times")
    runs = dict(args.generated)
    if args.truth is not None:
        runs["truth"] = args.truth
    path = write_page(args.out / "side_by_side.html", runs, args.blind)
    print(path, file=sys.stderr)
    return 0
