"""What is too long for memory: finished clips in the output folder, long tensors in the temp folder."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import comfy.samplers
import folder_paths
import torch
from torch import Tensor

from ...emo_core.media.clip_store import ClipStore, clean
from ...emo_core.media.disk import RowWriter, map_rows
from .fingerprint import Unnameable, fingerprint

FOLDER = "emo_clips"
KEEP_DAYS = 7
KEEP_BYTES = 20 << 30
MEMORY_BYTES = 256 << 20
"""Tensors up to this size stay in memory."""
PASSING = ("model_patcher", "model_options", "conds", "inner_model", "loaded_models")
"""What a guider holds beside its settings: the MODEL, which is named by itself, and what a run leaves behind."""


def open_clips(
    guider: comfy.samplers.CFGGuider,
    noise: Any,
    sampler: comfy.samplers.Sampler,
    sigmas: Tensor,
    latent: dict[str, Any],
    clip_frames: int,
) -> ClipStore:
    """The store of exactly this video, with the clips that a former run has finished.

    Where a part of the graph cannot be compared with a former one, nothing is found and nothing is left behind.
    """
    samples = latent["samples"]
    row = samples.shape[1:]
    settings = {name: value for name, value in vars(guider).items() if name not in PASSING}
    start = (samples, latent.get("noise_mask"), latent.get("batch_index"))
    try:
        key = fingerprint(
            guider.model_patcher, type(guider), settings, noise, sampler, sigmas, start, clip_frames
        )
    except Unnameable as reason:
        logging.getLogger(__name__).info("EMO: a killed run could not be taken up again: %s", reason)
        return ClipStore(Path(folder_paths.get_temp_directory()) / FOLDER, uuid.uuid4().hex, row)
    folder = Path(folder_paths.get_output_directory()) / FOLDER
    store = ClipStore(folder, key, row)
    clean(folder, key, KEEP_DAYS, KEEP_BYTES)
    return store


def gathered(
    pieces: Iterator[Tensor], rows: int, memory: int = MEMORY_BYTES, *, named: bool = False
) -> Tensor:
    """Pieces [n, ...] of `rows` rows together as one float32 tensor; above `memory` bytes it is a mapped file.

    With a name it can be read slice by slice past the mapping, and stays until ComfyUI ends. Without, it goes
    when the tensor goes (but for Windows).
    """
    first = next(pieces)
    row = first.shape[1:]
    if rows * row.numel() * 4 <= memory:
        return torch.cat([first.float(), *(piece.float() for piece in pieces)])
    path, tensor = on_disk(chain((first,), pieces))
    if not named and os.name != "nt":
        path.unlink()
    return tensor


def on_disk(pieces: Iterator[Tensor]) -> tuple[Path, Tensor]:
    """Pieces [n, ...] together as a file in the temp folder and as the float32 tensor that it is mapped to."""
    first = next(pieces)
    path = Path(folder_paths.get_temp_directory()) / f"emo_{uuid.uuid4().hex}.rows"
    with RowWriter(path, first.shape[1:]) as writer:
        for piece in chain((first,), pieces):
            writer.append(piece)
    return path, map_rows(path, first.shape[1:])
