"""Judge videos by the paper's tables; measure the built-in model and the instrument that measures it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from . import evaluate_videos

PEOPLE = 96
"""Held-out people in all poses that the instrument is tried on."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "emo_tiny.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, on what, and where the results go."""
    parser.add_argument(
        "what",
        nargs="?",
        default="videos",
        choices=("videos", "side-by-side", "builtin", "sheet", "instrument", "train-instrument"),
        help="the paper's tables of folders of videos (default); a page that plays them side by side; the built-in "
        "model's table; only contact sheets; the instrument's own errors; train the instrument",
    )
    evaluate_videos.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a Markdown table")
    parser.add_argument("--model", type=Path, help="a checkpoint file; default: the built-in emo-tiny")
    parser.add_argument(
        "--training", type=Path, help="a training folder: its newest stages are exported and used"
    )
    parser.add_argument("--clips", type=int, help="held-out clips of 4 s; default 200, with --quick 8")
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--quick", action="store_true", help="few clips, no long videos, no real voices")
    parser.add_argument("--steps", type=int, help="denoising steps per clip")
    parser.add_argument("--cfg", type=float, help="how strictly the portrait is kept")
    parser.add_argument("--audio-cfg", type=float, help="how strongly the sound moves the face")
    for name in ("long-videos", "speed-clips", "voice-people"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--data", type=Path, default=Path("runs/eval"), help="held-out clips are kept here")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/eval/out"), help="tables, pages, measures and sheets go here"
    )
    parser.add_argument("--report", action="store_true", help=f"write the table into {DOCUMENT.name}")
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/emo_tiny"), help="the instrument's training data"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; 1 if a claim does not hold."""
    if args.what == "videos":
        return evaluate_videos.run_videos(args)
    if args.what == "side-by-side":
        return evaluate_videos.run_side_by_side(args)
    if args.what == "train-instrument":
        return _train_instrument(args)
    return _instrument(args) if args.what == "instrument" else _builtin(args)


def _builtin(args: argparse.Namespace) -> int:
    from ..animate import Wish
    from ..claims.builtin import QUICK, Effort, as_json, held_out_clips, measure_builtin
    from ..claims.clip_rows import trial
    from ..claims.report import claims_table, fill
    from ..claims.sheets import write_sheets
    from ..claims.takes import MARGIN, Studio

    names = ("clips", "long_videos", "speed_clips", "voice_people")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    effort = dataclasses.replace(QUICK if args.quick else Effort(), **given)
    clips = held_out_clips(args.data, args.split, effort.clips)
    wish = Wish(steps=args.steps, guidance=args.cfg, audio_guidance=args.audio_cfg, margin=MARGIN)
    studio = Studio(_model(args), clips, args.out, wish)
    trials = [trial(clips, clip, studio.clip_take(clip)) for clip in range(min(effort.clips, 16))]
    for path in write_sheets(studio, trials, args.out / "sheets"):
        print(path, file=sys.stderr)
    if args.what == "sheet":
        return 0
    results = as_json(measure_builtin(studio, effort))
    (args.out / "builtin.json").write_text(json.dumps(results, indent=1))
    if args.report:
        fill(DOCUMENT, "claims", claims_table(results))
    print(json.dumps(results, indent=1) if args.json else claims_table(results))
    return 0 if all(row["holds"] for row in results.values()) else 1


def _model(args: argparse.Namespace) -> Path:
    """The checkpoint to measure, exported from a training folder if one is given."""
    from ..animate import BUILT_IN

    if args.training is None:
        return args.model or BUILT_IN
    from ..training.recipe import Recipe, export

    path = args.out / "model.safetensors"
    export(args.training, Recipe(), path)
    return path


def _instrument(args: argparse.Namespace) -> int:
    from ..animate import BUILT_IN, Animator
    from ..claims.builtin import held_out_clips, held_out_faces
    from ..claims.report import fill, instrument_table
    from ..evaluation.instrument import Instrument
    from ..media.digest import sha256_of
    from ..training.instrument import accuracy, accuracy_of_views
    from ..training.instrument_pictures import make_views, open_views

    clips = held_out_clips(args.data, args.split, args.clips or 24)
    model = args.model or BUILT_IN
    vae, instrument = Animator.open(model).vae, Instrument.open()
    views = args.data / f"{args.split}-views-{sha256_of(model)[:12]}"
    make_views(held_out_faces(args.data, args.split, PEOPLE), vae, views, noise=0.0, raw=0.0)
    tables = accuracy_of_views(instrument, open_views(views)), accuracy(instrument, clips, vae)
    if args.report:
        fill(DOCUMENT, "instrument", instrument_table(*tables))
    named = {name: [vars(row) for row in rows] for name, rows in zip(("posed", "clips"), tables, strict=True)}
    print(json.dumps(named, indent=1) if args.json else instrument_table(*tables))
    return 0


def _train_instrument(args: argparse.Namespace) -> int:
    from ..training.instrument import export_instrument, train_instrument
    from ..training.instrument_pictures import make_views, open_views
    from ..training.recipe import open_vae
    from ..training.synthetic.clip_shards import ClipShards

    vae, home = open_vae(args.folder), args.folder / "instrument"
    for source in ("clips", "posed"):
        make_views(ClipShards(args.folder / source), vae, home / f"views_of_{source}")
    train_instrument(home, open_views(home / "views_of_clips", home / "views_of_posed"))
    export_instrument(home)
    return 0
