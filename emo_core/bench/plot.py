"""The measured cases as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..optional import need
from .measure import Figures


def plot(cases: Sequence[Figures], path: Path) -> None:
    """Write a picture: CPU seconds of a step, and how much of the machine's better peak it reached."""
    figure = need("matplotlib.figure", "matplotlib").Figure(figsize=(8, 1.2 + 0.5 * len(cases)), layout="constrained")
    names = [f"{case.family} {case.size} px\n{case.frames} frames {case.dtype}" for case in cases]
    seconds, use = figure.subplots(1, 2, sharey=True)
    seconds.barh(names, [case.cpu_seconds for case in cases])
    seconds.set_xlabel("CPU s per guided step")
    use.barh(names, [100 * case.utilisation for case in cases])
    use.set_xlabel("% of the better peak")
    use.set_xlim(0, 100)
    seconds.invert_yaxis()
    figure.savefig(path)
