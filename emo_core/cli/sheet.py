"""Draw a video's waveform and frames on one picture."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The video and where the picture goes."""
    parser.add_argument("video", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="default: the video's name with .png")


def run(args: argparse.Namespace) -> int:
    """Write the picture."""
    from ..media.pictures import contact_sheet

    contact_sheet(args.video).save(args.output or args.video.with_suffix(".png"))
    return 0
