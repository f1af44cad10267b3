"""Say whether EMO nodes made a video: tags, content credentials, invisible mark."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files."""
    parser.add_argument(
        "file", type=Path, nargs="+", help="video or picture; exit code 1 if one shows nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Print what each file shows."""
    from ..provenance.report import examine

    reports = []
    for path in args.file:
        report = examine(path)
        print(f"{path}\n  " + "\n  ".join(report.lines()))
        reports.append(report)
    return 0 if all(report.generated for report in reports) else 1
