"""From latents to a video file, a few frames at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import comfy.sd
from torch import Tensor

from ...emo_core.diffusion.median import median_filtered
from ...emo_core.media.disk import read_rows
from ...emo_core.media.video import Sound, VideoWriter
from ...emo_core.provenance.marks import Mark, marked
from .memory import returned
from .progress import FrameProgress
from .spill import gathered

CHUNK_BYTES = 1 << 19  # of decoded pictures held at once: the decoder needs eighty times as much, and caches are small


@returned()
def decode_to_file(
    latents: Tensor,
    vae: comfy.sd.VAE,
    path: Path,
    fps: float,
    sound: Sound | None,
    node_id: str | None,
    tags: Mapping[str, str] | None = None,
    marks: Sequence[Mark] = (),
    *,
    median: bool = False,
) -> None:
    """Decode latents [F, 4, h, w] to an mp4 at `path` in memory that does not grow with F."""
    with VideoWriter(path, fps, sound, tags) as writer:
        for pictures in finished(decoded(latents, vae, node_id), median=median):
            writer.write(marked(pictures, marks))


@returned()
def decode_frames(
    latents: Tensor, vae: comfy.sd.VAE, start: int, count: int, node_id: str | None, *, median: bool = False
) -> Tensor:
    """IMAGE of `count` latents [F, 4, h, w] from frame `start` on, 0 to the end; a large one is on disk."""
    total = latents.shape[0]
    if start >= total:
        raise ValueError(f"start is frame {start} and the video has {total}, counted from 0")
    stop = min(start + count, total) if count else total
    around = int(median)  # frames before and behind that the median of the outer ones looks at
    first, last = max(0, start - around), min(total, stop + around)
    pictures = finished(decoded(latents[first:last], vae, node_id), median=median)
    return gathered(_part(pictures, start - first, stop - start), stop - start)


def _part(pieces: Iterator[Tensor], skip: int, count: int) -> Iterator[Tensor]:
    """`count` rows of all pieces together, after the first `skip`."""
    for piece in pieces:
        part = piece[skip : skip + count]
        skip, count = max(0, skip - len(piece)), count - len(part)
        if len(part):
            yield part


def finished(pieces: Iterator[Tensor], *, median: bool) -> Iterator[Tensor]:
    """What a family does to the pictures of its finished videos."""
    return median_filtered(pieces) if median else pieces


def decoded(latents: Tensor, vae: comfy.sd.VAE, node_id: str | None) -> Iterator[Tensor]:
    """Pictures [f, 8h, 8w, 3] (or as the VAE has it) in 0..1 of latents [F, 4, h, w], a few at a time."""
    cell: int = vae.spacial_compression_decode()  # pyright: ignore[reportAssignmentType]
    height, width = (cell * size for size in latents.shape[-2:])
    chunk = max(2, CHUNK_BYTES // (height * width * 3 * 4))
    progress = FrameProgress(latents.shape[0], node_id)
    for start in range(0, latents.shape[0], chunk):
        pictures: Tensor = vae.decode(read_rows(latents, start, start + chunk))  # pyright: ignore[reportAssignmentType]
        yield pictures[..., :3]
        progress.add(pictures.shape[0])
