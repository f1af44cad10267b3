"""One self-contained HTML page that plays the videos of several runs next to each other, in sync.

With a seed the runs are called A, B, C ... in an order of its own for every clip, and a person rates lip-sync and
vividness from 1 to 5, as in the paper's user study; the ratings are saved under the runs' true names.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from pathlib import Path

from .judge import videos

TEMPLATE = Path(__file__).with_name("side_by_side.html")
QUESTIONS = ("lip sync", "vividness")
PLAYABLE = {".mp4": "video/mp4", ".webm": "video/webm"}


def write_page(path: Path, runs: Mapping[str, Path], seed: int | None = None) -> Path:
    """Write the page of the clips that every run has; ValueError if there is none."""
    found = {name: _playable(folder) for name, folder in runs.items()}
    clips = sorted(set.intersection(*(set(files) for files in found.values())))
    if not clips:
        raise ValueError(f"the folders {', '.join(map(str, runs.values()))} share no .mp4 or .webm by name")
    rng = None if seed is None else random.Random(seed)
    data = {
        "questions": QUESTIONS if rng else (),
        "clips": [{"name": clip, "videos": _videos(clip, found, rng)} for clip in clips],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data).replace("</", "<\\/")  # a name must not end the script
    path.write_text(TEMPLATE.read_text().replace("{/*data*/}", text))
    return path


def _playable(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in videos(folder) if path.suffix.lower() in PLAYABLE}


def _videos(
    clip: str, runs: Mapping[str, Mapping[str, Path]], rng: random.Random | None
) -> list[dict[str, str]]:
    names = list(runs)
    if rng:
        rng.shuffle(names)
    return [
        {
            "run": name,
            "title": chr(ord("A") + place) if rng else name,
            "source": _data_url(runs[name][clip]),
        }
        for place, name in enumerate(names)
    ]


def _data_url(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    return f"data:{PLAYABLE[path.suffix.lower()]};base64,{content}"
