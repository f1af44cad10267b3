"""Compare our networks with tensors that the authors' own code computed."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", type=Path, nargs="+", help="a case: weights, config.json, expected tensors")


def run(args: argparse.Namespace) -> int:
    """Print one line per tensor; 0 only if all are within their limits."""
    from ..checkpoints.parity.run import check_folder

    failed = total = 0
    for folder in args.folder:
        for check in check_folder(folder):
            total, failed = total + 1, failed + (not check.holds)
            print(
                f"{'ok  ' if check.holds else 'FAIL'} {check.error:9.2e} of {check.limit:7.1e}  {check.name}"
            )
    print(f"{total - failed} of {total} tensors are within their limits")
    return 0 if total and not failed else 1
