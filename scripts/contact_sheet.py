"""One picture of a whole video: its waveform, and below it frames at equal distances with their times."""

from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageOps

COLUMNS = 8
ROWS = 3
CELL = 192  # px
WAVE_HEIGHT = 120  # px
LABEL_HEIGHT = 18  # px
SOUND_RATE = 8000  # Hz, enough for a picture
PAPER, INK, WAVE = (250, 250, 248), (40, 40, 44), (66, 110, 180)


def contact_sheet(video: Path) -> Image.Image:
    """The sheet of `video`: up to 24 frames, fewer if it has fewer."""
    frames, fps = read_frames(video)
    chosen = np.unique(np.linspace(0, len(frames) - 1, COLUMNS * ROWS).round().astype(int))
    height = WAVE_HEIGHT + -(-len(chosen) // COLUMNS) * (CELL + LABEL_HEIGHT)
    sheet = Image.new("RGB", (COLUMNS * CELL, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw_waveform(draw, read_loudness(video, len(frames) / fps, sheet.width), sheet.width)
    for place, index in enumerate(chosen):
        left, top = place % COLUMNS * CELL, WAVE_HEIGHT + place // COLUMNS * (CELL + LABEL_HEIGHT)
        picture = ImageOps.contain(frames[index], (CELL - 4, CELL - 4))
        sheet.paste(picture, (left + (CELL - picture.width) // 2, top + LABEL_HEIGHT))
        draw.text((left + 4, top + 3), f"{index / fps:.2f} s", fill=INK)
        mark = round((index + 0.5) / len(frames) * sheet.width)
        draw.line((mark, WAVE_HEIGHT - 6, mark, WAVE_HEIGHT), fill=INK)
    return sheet


def read_frames(video: Path) -> tuple[list[Image.Image], float]:
    """All frames, no larger than a cell, and the frames per second."""
    frames = []
    with av.open(video) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            picture = frame.to_image()
            picture.thumbnail((CELL, CELL))
            frames.append(picture)
        return frames, float(stream.average_rate or 25)


def read_loudness(video: Path, seconds: float, columns: int) -> np.ndarray:
    """The largest sample of each of `columns` equal parts of the first `seconds`; zeros without sound."""
    samples = np.zeros(round(seconds * SOUND_RATE))
    with av.open(video) as container:
        if not container.streams.audio:
            return np.zeros(columns)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
        parts = [
            part.to_ndarray().ravel()
            for frame in container.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    sound = np.abs(np.concatenate(parts))[: len(samples)]
    samples[: len(sound)] = sound
    return np.array([part.max(initial=0) for part in np.array_split(samples, columns)])


def draw_waveform(draw: ImageDraw.ImageDraw, loudness: np.ndarray, width: int) -> None:
    """The sound as a band around a line in the middle, scaled so that its loudest part fills the height."""
    middle = WAVE_HEIGHT // 2
    draw.line((0, middle, width, middle), fill=INK)
    scale = (middle - 8) / max(loudness.max(initial=0), 1e-3)
    for column, peak in enumerate(loudness):
        reach = round(peak * scale)
        draw.line((column, middle - reach, column, middle + reach), fill=WAVE)
