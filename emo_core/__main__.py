"""`python -m emo_core COMMAND`: everything that needs no ComfyUI."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .cli import COMMANDS


def build_parser() -> argparse.ArgumentParser:
    """The parser with every subcommand of `cli.COMMANDS`."""
    parser = argparse.ArgumentParser(prog="python -m emo_core", description="EMO without ComfyUI.")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also log what libraries do, and show where errors come from"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = import_module(f".cli.{name}", __package__)
        command = commands.add_parser(name, help=module.__doc__, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 is success, 1 a failed check, 2 a wrong request (told in one line)."""
    args = build_parser().parse_args(arguments)
    level = logging.INFO if args.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
    if os.environ.get("RANK", "0") == "0":  # of the processes that torchrun starts, one tells what all do
        logging.getLogger(__package__).setLevel(logging.INFO)  # some commands run for hours
    try:
        return args.run(args)
    except (OSError, ValueError) as error:
        if args.verbose:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
