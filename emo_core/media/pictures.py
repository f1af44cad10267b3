"""Pictures of what goes in and what came out: waveforms, curves, face regions, contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from .video import Sound, frame_rate, read_frames, read_sound

PAPER, INK, FAINT = (250, 250, 248), (40, 40, 44), (205, 205, 205)
WAVE, CURVE, REGION, JOIN = (66, 110, 180), (190, 90, 40), (230, 120, 30), (200, 60, 60)
LABEL_HEIGHT = 18  # px


def waveform_panel(
    samples: np.ndarray, seconds: float, size: tuple[int, int], joins: Sequence[float] = ()
) -> Image.Image:
    """Samples [S] that last `seconds`, as a band of width, height `size`; joins are times in s to mark."""
    panel, draw = _panel(size)
    width, height = size
    middle = height // 2
    draw.line((0, middle, width, middle), fill=INK)
    peaks = [np.abs(part).max(initial=0) for part in np.array_split(samples, width)]
    scale = (middle - 8) / max(*peaks, 1e-3)
    for column, peak in enumerate(peaks):
        reach = round(peak * scale)
        draw.line((column, middle - reach, column, middle + reach), fill=WAVE)
    for join in joins:
        column = round(join / seconds * width)
        draw.line((column, 0, column, height), fill=JOIN)
    draw.text((4, 3), f"{seconds:.2f} s", fill=INK)
    return panel


def outline(sound: Sound, columns: int) -> np.ndarray:
    """The first channel's loudest sample in each of `columns` equal parts, which are read one by one."""
    edges = np.linspace(0, sound.samples.shape[1], columns + 1).round().astype(int).tolist()
    parts = (sound.part(first, max(last, first + 1))[0] for first, last in pairwise(edges))
    return np.array([part.abs().amax().item() if part.numel() else 0.0 for part in parts])


def curve_panel(values: np.ndarray, unit: str, size: tuple[int, int]) -> Image.Image:
    """Values [F], one per frame, over the width; the axis starts at 0 and its top is labelled."""
    panel, draw = _panel(size)
    width, height = size
    top = max(float(values.max(initial=0)), 1e-3)
    heights = height - 4 - (height - LABEL_HEIGHT - 8) * np.asarray(values, dtype=float) / top
    edges = np.linspace(0, width, len(values) + 1)
    for left, right, level in zip(edges[:-1], edges[1:], heights, strict=True):
        draw.rectangle((left, level, right, height), fill=CURVE)
    draw.text((4, 3), f"0 to {top:.2f} {unit}", fill=INK)
    return panel


def region_panel(portrait: np.ndarray, mask: np.ndarray) -> Image.Image:
    """The portrait [H, W, 3] in 0..1 with the face region [h, w] in 0..1 tinted and framed."""
    picture = Image.fromarray((portrait * 255).round().clip(0, 255).astype(np.uint8))
    region = Image.fromarray((mask * 255).round().clip(0, 255).astype(np.uint8)).resize(picture.size)
    tinted = Image.blend(picture, Image.new("RGB", picture.size, REGION), 0.35)
    picture = Image.composite(tinted, picture, region)
    box = region.getbbox()
    if box:
        right, bottom = box[2] - 1, box[3] - 1
        ImageDraw.Draw(picture).rectangle((box[0], box[1], right, bottom), outline=REGION, width=2)
    return picture


def stack(panels: Sequence[Image.Image], width: int) -> Image.Image:
    """Panels under each other in the middle of a sheet of `width`."""
    sheet = Image.new("RGB", (width, sum(panel.height for panel in panels)), PAPER)
    top = 0
    for panel in panels:
        sheet.paste(panel, ((width - panel.width) // 2, top))
        top += panel.height
    return sheet


def contact_sheet(video: Path, columns: int = 8, rows: int = 3, cell: int = 192) -> Image.Image:
    """One picture of a whole video: its waveform, and frames at equal distances with their times."""
    frames = [ImageOps.contain(Image.fromarray(frame), (cell - 4, cell - 4)) for frame in read_frames(video)]
    fps = frame_rate(video)
    seconds = len(frames) / fps
    panels = [waveform_panel(_sound_of(video, seconds), seconds, (columns * cell, 120))]
    chosen = np.unique(np.linspace(0, len(frames) - 1, columns * rows).round().astype(int))
    for start in range(0, len(chosen), columns):
        row, draw = _panel((columns * cell, cell + LABEL_HEIGHT))
        for place, index in enumerate(chosen[start : start + columns]):
            row.paste(frames[index], (place * cell + (cell - frames[index].width) // 2, LABEL_HEIGHT))
            draw.text((place * cell + 4, 3), f"{index / fps:.2f} s", fill=INK)
        panels.append(row)
    return stack(panels, columns * cell)


def _sound_of(video: Path, seconds: float) -> np.ndarray:
    """The loudest channel's samples for exactly `seconds`; silence where the video has no sound."""
    try:
        sound = read_sound(video)
    except ValueError:
        return np.zeros(1)
    samples = sound.samples.abs().amax(0).numpy()
    wanted = round(seconds * sound.rate)
    return np.pad(samples[:wanted], (0, max(wanted - len(samples), 0)))


def _panel(size: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    panel = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(panel)
    draw.line((0, size[1] - 1, size[0], size[1] - 1), fill=FAINT)
    return panel, draw
