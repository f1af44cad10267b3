"""Prepared footage as `prepare` writes it, with random latents and states."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from emo_core.training.footage.shards import encode_flac, encode_part, write_shard

FRAMES, FPS = 40, 25


def write_footage(
    folder: Path, *, clips: int, size: int, channels: int, states: tuple[int, int] | None
) -> None:
    """Clips of smooth random latents [F, C, size / 8, size / 8], two to a shard; states: (layers, width)."""
    rng = np.random.default_rng(0)
    names = []
    for first in range(0, clips, 2):
        names.append(f"part-00000-{first:03d}.tar")
        rows = [_clip(rng, size, channels, states) for _ in range(first, min(first + 2, clips))]
        (folder / "shards").mkdir(parents=True, exist_ok=True)
        write_shard(folder / "shards" / names[-1], [(f"clip{first + i}", row) for i, row in enumerate(rows)])
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    (folder / "parts" / "part-00000.json").write_text(json.dumps({"shards": names}))


def _clip(
    rng: np.random.Generator, size: int, channels: int, states: tuple[int, int] | None
) -> dict[str, bytes]:
    side = size // 8
    still = rng.normal(0, 1, (1, channels, side, side))
    wave = np.sin(np.arange(FRAMES) / 5 + rng.uniform(0, 6))[:, None, None, None]
    arrays = {"latents": still + 0.3 * wave * rng.normal(0, 1, still.shape)}
    if states is not None:
        arrays["states"] = wave[..., 0] * rng.normal(0, 1, (1, *states)) + rng.normal(
            0, 0.1, (FRAMES, *states)
        )
    meta = {
        "format": 1,
        "fps": FPS,
        "frames": FRAMES,
        "size": size,
        "boxes": [[size / 4, size / 4, size * 3 / 4, size * 3 / 4]] * FRAMES,
        "speed": rng.uniform(0, 1.5, FRAMES).tolist(),
        "mouth": [[size / 2, size * 5 / 8]] * FRAMES,
    }
    sound = rng.normal(0, 0.1, 16000 * FRAMES // FPS).astype(np.float32)
    files = {"json": encode_part("json", meta), "flac": encode_flac(sound, 16000)}
    return files | {
        f"{name}.npy": encode_part("npy", value.astype(np.float16)) for name, value in arrays.items()
    }
