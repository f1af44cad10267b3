"""Subcommands of `python -m emo_core`.

Each is a module with a one-line docstring (its help), `add_arguments(parser)` and `run(args) -> exit code`.
What is slow to import is imported inside `run`.
"""

COMMANDS: tuple[str, ...] = (
    "generate",
    "sheet",
    "prepare",
    "train",
    "evaluate",
    "parity",
    "models",
    "detect",
    "sign",
    "bench",
)
"""Modules of this package, in the order of the help."""
