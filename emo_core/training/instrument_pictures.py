"""What the instrument learns from: frames and posed heads through the VAE, latents disturbed, changed in many ways."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate

from ..backend import fast_bfloat16
from ..evaluation.instrument import MEASURES
from ..models.vae import AutoencoderKL
from .synthetic.clip_shards import ClipShards
from .synthetic.clips import Stage
from .synthetic.head_motion import LIMITS
from .synthetic.posed import recoloured
from .synthetic.rest import at_rest
from .synthetic.types import TRACKS, FaceState

LOG = logging.getLogger(__name__)
COLUMNS = [TRACKS.index(name) for name in MEASURES]
MIRROR = (1, 0, 2, 4, 3, 5, 6, 7, 9, 8, 11, 10)
"""Which landmark takes which one's place in a mirrored picture."""
SIGNS = tuple(-1.0 if name in ("yaw", "roll") else 1.0 for name in MEASURES)
_BLINK = TRACKS.index("blink")
WIDE = (30.0, 20.0, 18.0)
"""Largest yaw, pitch and roll of posed heads, degrees: those of clips hardly turn, and models may turn too far."""
COUNTS = (4, 4)
"""How many frames and posed pictures of each clip."""


@dataclass(frozen=True)
class Views:
    """Pictures of N identities, most through the VAE: P in all poses and two portraits each, and what is true."""

    pictures: np.ndarray
    """uint8 [N, P + 2, H, W, 3]; the last two are the frame most at rest and a portrait from elsewhere."""
    tracks: np.ndarray
    """float32 [N, P, 9], columns `MEASURES`."""
    landmarks: np.ndarray
    """float32 [N, P, 12, 2] in 0..1."""
    boxes: np.ndarray
    """float32 [N, P, 4] in 0..1."""


def make_views(
    clips: ClipShards,
    vae: AutoencoderKL,
    out: Path,
    part: slice = slice(None),
    *,
    noise: float = 0.3,
    raw: float = 0.25,
) -> None:
    """Write views of all clips to `out/views-NNNNN.npz`, 32 clips each; what is there is kept.

    Beside `COUNTS[0]` frames of each clip there are `COUNTS[1]` pictures of its identity, whose brows, lids and pose
    are drawn independently: what goes together in clips must not be read from each other. A part of them, `raw`, does
    not go through the VAE, as true frames and portraits are read, too; two in three of the others get noise on their
    latents, of a standard deviation up to `noise`: generated frames have such faults. part: which of the files, for
    several processes.
    """
    out.mkdir(parents=True, exist_ok=True)
    stage = Stage()
    for first in range(0, len(clips) - 31, 32)[part]:
        final = out / f"views-{first:05d}.npz"
        if final.exists():
            continue
        rng = np.random.default_rng((first, 7))
        made = [_view(clips, clip, vae, (noise, raw), stage, rng) for clip in range(first, first + 32)]
        partial = out / f".{final.stem}.{os.getpid()}.npz"
        names = ("pictures", "tracks", "landmarks", "boxes")
        np.savez(
            partial, **dict(zip(names, (np.stack(rows) for rows in zip(*made, strict=True)), strict=True))
        )
        os.replace(partial, final)
        LOG.info("%s", final.name)


def open_views(*folders: Path) -> Views:
    """All views below some folders; FileNotFoundError if there are none."""
    files = [file for folder in folders for file in sorted(folder.glob("views-*.npz"))]
    if not files:
        raise FileNotFoundError(
            f"no views in {', '.join(map(str, folders))}; `python -m emo_core evaluate train-instrument` makes them"
        )
    parts = [dict(np.load(file)) for file in files]
    return Views(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _view(
    clips: ClipShards,
    clip: int,
    vae: AutoencoderKL,
    faults: tuple[float, float],
    stage: Stage,
    rng: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    tracks, size, info = clips.tracks(clip), clips.plan.size, clips.info[clip]
    rest = at_rest(tracks)
    chosen = rng.choice(rest[1:], COUNTS[0], replace=False)
    blinks = tracks[rest[1:], _BLINK] + 0.1 * rng.random(len(rest) - 1)
    chosen[-1] = rest[1:][int(np.argmax(blinks))]  # closed eyes are rare
    who = stage.portrait(info)
    states = [_posed(tracks[rng.integers(len(tracks))], rng) for _ in range(COUNTS[1])]
    rendered = [who.render(FaceState(*state.tolist()), size) for state in states]
    posed, truths = [picture for picture, _ in rendered], [truth for _, truth in rendered]
    if info.recoloured:
        posed = list(recoloured(np.stack(posed), info.identity))
    portrait = clips.portraits(clip)[rng.integers(clips.plan.portraits)]
    pictures = np.stack([*clips.frames(clip)[chosen], *posed, clips.frames(clip)[rest[0]], portrait])
    level = np.where(rng.random(len(pictures)) < 2 / 3, rng.uniform(0, faults[0], len(pictures)), 0)
    cells = size // vae.config.cell
    shape = (len(pictures), vae.config.latent_channels, cells, cells)
    disturbance = level[:, None, None, None] * rng.standard_normal(shape)
    coded = rng.random(len(pictures)) >= faults[1]
    if coded.any():
        pictures[coded] = through_vae(pictures[coded], vae, torch.from_numpy(disturbance[coded]).float())
    return (
        pictures,
        np.stack([*tracks[chosen], *states])[:, COLUMNS],
        np.stack([*clips.landmarks(clip)[chosen], *(truth.landmarks for truth in truths)]) / size,
        np.stack([*clips.boxes(clip)[chosen], *(truth.box for truth in truths)]) / size,
    )


def _posed(track: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mouth of a frame's track [14], everything else anew; half of the heads turn no further than talking ones."""
    state = track.copy()
    pose = rng.uniform(-1, 1, 3) * (WIDE if rng.random() < 0.5 else LIMITS)
    drawn = {
        "smile": rng.uniform(-0.2, 0.8),
        "blink": rng.uniform() if rng.random() < 0.3 else 0.0,
        "brow": rng.uniform(-0.8, 0.8),
        **dict(zip(("yaw", "pitch", "roll"), pose, strict=True)),
    }
    for name, value in drawn.items():
        state[TRACKS.index(name)] = value
    return state


@torch.inference_mode()
def through_vae(pictures: np.ndarray, vae: AutoencoderKL, disturbance: Tensor | None = None) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3] encoded and decoded, with something [N, C, h, w] added to scaled latents."""
    made = []
    for start in range(0, len(pictures), 16):
        x = torch.from_numpy(np.array(pictures[start : start + 16])).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16("cpu")):
            latents = vae.encode(x)
            if disturbance is not None:
                latents = latents + disturbance[start : start + 16]
            y = vae.decode(latents)
        made.append(((y.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1))
    return torch.cat(made).numpy()


def move(
    x: Tensor, references: Tensor, landmarks: Tensor, boxes: Tensor, tracks: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Shift up to 6 %, scale by 0.9 to 1.1 and mirror half of the pictures, with what is true of them.

    References [R, 3, H, W], one for each N / R pictures in a row, are mirrored with them and moved on their own.
    """
    people = len(references)
    mirrored = torch.rand(people, generator=generator) < 0.5
    flip = mirrored.repeat_interleave(len(x) // people)
    x, moved = _moved(x, flip, generator)
    references, _ = _moved(references, mirrored, generator)
    landmarks = moved(torch.where(flip[:, None, None], landmarks[:, MIRROR], landmarks))
    corners = moved(boxes.view(len(x), 2, 2))
    boxes = torch.cat([corners.amin(1), corners.amax(1)], 1)
    return x, references, landmarks, boxes, torch.where(flip[:, None], tracks * tracks.new_tensor(SIGNS), tracks)


def _moved(
    x: Tensor, flip: Tensor, generator: torch.Generator
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    count = len(x)
    shift = (torch.rand(count, 2, generator=generator) - 0.5) * 0.12
    scale = 0.9 + 0.2 * torch.rand(count, 1, generator=generator)
    sign = torch.where(flip, -1.0, 1.0)
    grid = torch.zeros(count, 2, 3)  # where each pixel of the new picture comes from
    grid[:, 0, 0], grid[:, 1, 1] = sign / scale[:, 0], 1 / scale[:, 0]
    grid[:, 0, 2], grid[:, 1, 2] = -2 * sign * shift[:, 0] / scale[:, 0], -2 * shift[:, 1] / scale[:, 0]
    x = grid_sample(x, affine_grid(grid, list(x.shape), False), padding_mode="border", align_corners=False)

    def moved(points: Tensor) -> Tensor:  # [N, K, 2]
        mirrored = torch.stack(
            [torch.where(flip[:, None], 1 - points[..., 0], points[..., 0]), points[..., 1]], -1
        )
        return (mirrored - 0.5) * scale[:, None] + 0.5 + shift[:, None]

    return x, moved


def disturb(x: Tensor, generator: torch.Generator) -> Tensor:
    """Other colours and light, blur, fine and blotchy noise on pictures [N, 3, H, W] in -1..1."""

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(len(x), *shape, generator=generator)

    x = x * uniform(3, 1, 1, low=0.85, high=1.15) + uniform(3, 1, 1, low=-0.1, high=0.1)
    x = x + uniform(1, 1, 1, low=-0.12, high=0.12)
    soft = avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    x = torch.lerp(x, soft, (uniform(1, 1, 1) * 1.5 - 0.5).clamp_min(0))
    blotches = interpolate(
        torch.randn(len(x), 3, 16, 16, generator=generator), size=x.shape[-2:], mode="bilinear"
    )
    x = x + blotches * uniform(1, 1, 1, high=0.12) * (uniform(1, 1, 1) < 0.5)
    return x + torch.randn(x.shape, generator=generator) * uniform(1, 1, 1, high=0.06)
