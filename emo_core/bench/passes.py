"""One clip of a family with random weights, made in memory, and one guided denoising step of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backend import Backend
from ..config import EmoConfig
from ..models.emo import Emo
from ..models.guidance_rows import guidance_rows
from ..models.mover import TOKENS
from ..models.reference_pair import encode_pair
from ..modules.conditions import Features


@dataclass(frozen=True)
class Case:
    """What is measured."""

    family: str
    config: EmoConfig
    size: int
    """Side of the picture, px, a multiple of 64."""
    frames: int
    dtype: torch.dtype
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.size < 64 or self.size % 64:
            raise ValueError(f"size is {self.size} px, want a multiple of 64")
        most = self.config.temporal.positions - self.config.temporal.motion_frames
        if not 1 <= self.frames <= most:
            raise ValueError(f"{self.frames} frames, want 1 to {most} for {self.family}")


class Clip:
    """A network, what a clip is conditioned on, and a step over its noise."""

    def __init__(self, case: Case) -> None:
        self.case = case
        with torch.device("meta"):
            model = Emo(case.config, backend=Backend(dtype=case.dtype))
        self.model = model.to_empty(device=case.device).eval().requires_grad_(False)
        generator = torch.Generator(case.device).manual_seed(0)
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            tensor.normal_(0, 0.02, generator=generator)
        self._generator = generator
        side = case.size // case.config.vae.cell
        self.latents = self._random(case.frames, case.config.unet.latent_channels, side, side)

    @property
    def weights(self) -> int:
        """Bytes of the weights."""
        tensors = (*self.model.parameters(), *self.model.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def _random(self, *shape: int) -> Tensor:
        made = torch.randn(*shape, generator=self._generator, device=self.case.device)
        return made.to(self.case.dtype)

    @torch.inference_mode()
    def rows(self) -> list[Features]:
        """What the two rows of guidance see: everything once per clip, as the sampler computes it."""
        case, config, encoders = self.case, self.case.config, self.model.encoders
        motion, side = config.temporal.motion_frames, case.size // config.vae.cell
        context = encoders.encode_context(None)
        tokens = config.reference.context == "tokens"
        pair = encode_pair(
            encoders.reference_net,
            self._random(1 + motion, config.unet.latent_channels, side, side),
            case.frames,
            context=context if tokens else None,
            context_without=context if tokens else None,
            mixed=config.reference.mixed_rows,
        )
        speed = torch.zeros(case.frames, device=case.device, dtype=case.dtype)
        heard = config.audio.tokens + (TOKENS if config.reference.mover else 0)
        full = Features(
            reference=pair.reference,
            motion=pair.motion,
            audio=self._random(case.frames, heard, config.audio.token_width),
            context=context,
            face=encoders.face_locator(self._random(1, config.face_locator.inputs, case.size, case.size)),
            speed=encoders.encode_speed(speed),
        )
        made = guidance_rows(config, full, context, pair.motion_without)
        return [made.none, made.full]

    def plain_rows(self, rows: list[Features]) -> list[Features]:
        """The same as published programs hand it to their networks at every step.

        The portrait's tokens are repeated for every frame, so that their keys and values are computed for every
        frame again, and the row without conditions computes all attention too, to what is thrown away or zero.
        """
        none, full = rows
        repeated = dict(full.reference or {})
        if self.case.config.reference.mode == "concat":  # elsewhere all frames are one long query to one set
            count = self.case.frames
            repeated = {path: value.repeat(count, 1, 1)[:count] for path, value in repeated.items()}
        audio = None if full.audio is None else torch.zeros_like(full.audio)
        return [
            dataclasses.replace(none, reference=repeated, audio=audio),
            dataclasses.replace(full, reference=repeated),
        ]

    @torch.inference_mode()
    def step(self, rows: list[Features]) -> Tensor:
        """The guided prediction [F, 4, h, w] of one step."""
        batch = self.latents.repeat(len(rows), 1, 1, 1)
        times = torch.full((len(rows),), 500, device=self.case.device)
        none, full = self.model.backbone(batch, times, rows).chunk(2)
        return none + 3.5 * (full - none)
