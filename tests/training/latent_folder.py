"""A folder of encoded clips, for tests that need no pictures behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emo_core.training.latent_clips import LatentClips


def latent_clips(folder: Path, arrays: Mapping[str, np.ndarray], size: int = 64) -> LatentClips:
    """Write arrays [clips, frames, ...] as one part of a folder, of pictures of `size` px, and open it."""
    part = folder / "part-000000"
    part.mkdir()
    for name, values in arrays.items():
        np.save(part / f"{name}.npy", values.astype(np.float32))
    (part / "meta.json").write_text(json.dumps({"fps": 25.0, "size": size}))
    return LatentClips(folder)
