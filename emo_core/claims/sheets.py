"""Contact sheets for looking: portrait, the rendered truth and the generated frames at the same times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..media.pictures import INK, PAPER, stack
from .clip_rows import Trial
from .takes import Studio, shown_frames

CELL = 128
LABEL = 14
PLOT = 56
TRUE, MADE = (120, 120, 124), (200, 70, 40)


def write_sheets(studio: Studio, trials: list[Trial], out: Path, rows: int = 4) -> list[Path]:
    """Sheets of `rows` clips each below `out`; trials are the first clips of the studio."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for first in range(0, len(trials), rows):
        panels = [
            clip_panel(studio, clip, trials[clip]) for clip in range(first, min(first + rows, len(trials)))
        ]
        path = out / f"sheet-{first // rows:02d}.png"
        stack(panels, max(panel.width for panel in panels)).save(path)
        written.append(path)
    return written


def clip_panel(studio: Studio, clip: int, trial: Trial) -> Image.Image:
    """Portrait and truth above, generated frames below, the mouth's opening in both underneath."""
    chosen = shown_frames(len(trial.take.readings.tracks))
    width = CELL * (1 + len(chosen))
    panel = Image.new("RGB", (width, LABEL + 2 * CELL + PLOT), PAPER)
    draw = ImageDraw.Draw(panel)
    info = studio.clips.info[clip]
    kind = f"{info.kind}, {'sung' if info.singing else 'spoken'}"
    draw.text((3, 1), f"clip {clip}, {kind}: portrait; truth above, generated below", fill=INK)
    panel.paste(_cell(studio.portrait(clip)), (0, LABEL))
    truth = studio.clips.frames(clip)
    for column, frame in enumerate(chosen, 1):
        if frame < len(truth):
            panel.paste(_cell(truth[frame]), (column * CELL, LABEL))
        panel.paste(_cell(trial.take.shown[column - 1]), (column * CELL, LABEL + CELL))
    read, true = trial.pair("open")
    where = (CELL, LABEL + 2 * CELL, width, panel.height)
    _plot(draw, where, [(true, TRUE), (read, MADE)])
    for row, name in enumerate(("open", "width", "brow", "yaw")):
        label = f"r({name}) {trial.correlation(name):.2f}"
        draw.text((3, LABEL + CELL + 8 + 14 * row), label, fill=INK)
    draw.text((3, where[1] + 4), "mouth open\ngrey: truth", fill=INK)
    return panel


def _cell(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture)).resize((CELL, CELL))


def _plot(
    draw: ImageDraw.ImageDraw,
    where: tuple[int, int, int, int],
    curves: list[tuple[np.ndarray, tuple[int, int, int]]],
) -> None:
    """Curves of 0..1 in a box (left, top, right, bottom)."""
    left, top, right, bottom = where
    for values, colour in curves:
        x = np.linspace(left, right - 1, len(values))
        y = bottom - 4 - np.clip(values, 0, 1) * (bottom - top - 8)
        draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=colour, width=2)
