"""What a generated file says about itself, in the tags of its container."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import av
from torch import Tensor

from ..media.disk import read_rows

GENERATOR = "EMO for ComfyUI"
VERSION = "0.1.0"
"""The pack's, as in pyproject.toml."""
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""The IPTC's word for media that a trained model has made."""

STATEMENT_TAG = "emo_provenance"
PIECE = 1 << 20  # numbers
SOURCE_TAG = "digital_source_type"
COMMENT_TAG = "comment"


@dataclass(frozen=True)
class Statement:
    """AI-generated, by which version and model, from what. Holds hashes only, never the inputs themselves."""

    family: str = ""
    """Title of the model family; empty if not known."""
    portrait: str = ""
    """`digest` of the portrait's pixels as the model saw them."""
    audio: str = ""
    """`digest` of the sound's samples."""
    version: str = VERSION
    generator: str = GENERATOR

    def tags(self) -> dict[str, str]:
        """Container tags: one for people, one for machines, one with everything."""
        return {
            COMMENT_TAG: f"AI-generated video ({self.generator} {self.version})",
            SOURCE_TAG: SOURCE_TYPE,
            STATEMENT_TAG: json.dumps({"ai_generated": True, **asdict(self)}),
        }


def digest(values: Tensor) -> str:
    """SHA-256 of numbers in -1..1 in 16 bits, the same wherever they were computed."""
    made = hashlib.sha256()
    rows = values.detach() if values.ndim == 2 else values.detach().reshape(1, -1)
    places = ((row, start) for row in rows for start in range(0, len(row), PIECE))
    for part in (read_rows(row, start, start + PIECE) for row, start in places):  # never a long sound as a whole
        whole = (part.float().cpu().clamp(-1, 1) * 32767).round().short()
        made.update(whole.numpy().astype("<i2").tobytes())
    return made.hexdigest()


def read_tags(path: Path) -> dict[str, str]:
    """All tags of a video file."""
    with av.open(path) as container:
        return dict(container.metadata)


def statement_in(tags: Mapping[str, str]) -> Statement | None:
    """The statement among a file's tags; None if there is none that can be read."""
    try:
        data = json.loads(tags.get(STATEMENT_TAG, ""))
    except ValueError:
        return None
    if not isinstance(data, dict) or not data.get("ai_generated"):
        return None
    fields = Statement.__dataclass_fields__
    return Statement(**{key: str(value) for key, value in data.items() if key in fields})
