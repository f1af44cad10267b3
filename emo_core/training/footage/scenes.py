"""Where a video is cut: PySceneDetect on small pictures, with the frames' own times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from ...optional import need
from .settings import Rejected, Settings
from .videos import Video

WIDTH = 256
"""Of the pictures that are compared, px."""


@dataclass(frozen=True)
class Span:
    """A stretch of a video, s."""

    start: float
    end: float


def find_scenes(video: Video) -> list[Span]:
    """The shots of a video from cut to cut, the whole video read once."""
    scenedetect = need("scenedetect", "scenedetect-headless")
    detector = scenedetect.AdaptiveDetector(min_scene_len=2)
    times: list[float] = []
    cuts: list[float] = []
    for time, frame in video.frames():
        now = scenedetect.FrameTimecode(len(times), fps=30.0)  # only a count: rates may vary
        times.append(time)
        small = video.upright(frame, WIDTH)[..., ::-1]
        cuts += [times[cut.frame_num] for cut in detector.process_frame(now, small)]
    if not times:
        raise ValueError("it holds no frame that can be decoded")
    steps = [later - earlier for earlier, later in pairwise(times)]
    end = times[-1] + (sorted(steps)[len(steps) // 2] if steps else 0.0)
    borders = [times[0], *cuts, end]
    return [Span(start, stop) for start, stop in pairwise(borders)]


def cut_scenes(scenes: list[Span], settings: Settings) -> list[Span | tuple[Span, Rejected]]:
    """Scenes in equal pieces of at most `longest` seconds; those that are too short are said to be."""
    pieces: list[Span | tuple[Span, Rejected]] = []
    for scene in scenes:
        length = scene.end - scene.start
        if length < settings.shortest - 1e-3:
            reason = Rejected("short", f"scene of {length:.2f} s, want {settings.shortest:g} s")
            pieces.append((scene, reason))
            continue
        count = math.ceil(length / settings.longest - 1e-6)
        borders = [scene.start + length * i / count for i in range(count + 1)]
        pieces += [Span(start, stop) for start, stop in pairwise(borders)]
    return pieces
