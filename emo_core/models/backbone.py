"""The backbone: the denoising UNet with reference, audio and temporal attention (paper, sec. 3.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from ..backend import Backend
from ..config import EmoConfig
from ..diffusion.schedule import Schedule
from ..modules.conditions import PORTRAIT, Batch, Features
from ..modules.deep import DeepPass
from ..modules.hooks import Hooks
from ..modules.regional_audio import AudioModule
from ..modules.rows import join
from ..modules.temporal import MotionModule
from ..modules.transformer import BackboneBlock, SpatialTransformer
from .expressions import Expressions
from .mover import TOKENS, Mover
from .unet import UNet
from .warp import Warp, moved

CHANGES = (0.005, 0.15)
"""How much latents differ from the portrait's, as variance: in still places, in faces (`ReferenceConfig.at_ends`)."""


class Backbone(UNet):
    """Predicts the noise (or velocity) of clips from noisy latents and their features."""

    def __init__(self, config: EmoConfig, *, backend: Backend) -> None:
        super().__init__(config.unet, _followers(config, backend), backend=backend)
        self.portrait_at_ends, self.schedule = config.reference.at_ends, config.schedule
        if self.portrait_at_ends:
            channels, width = config.unet.latent_channels, config.unet.channels[0]
            self.conv_in = backend.conv2d(2 * channels, width, 3)
        self.mover = Mover(config, backend=backend) if config.reference.mover else None
        self.warp = Warp(config.unet.latent_channels, backend=backend) if config.reference.warp else None
        self.expressions = Expressions(config, backend=backend) if config.reference.expressions else None
        self.face_at_input = config.face_locator.target == "latents"
        self.conv_norm_out = backend.group_norm(config.unet.groups, config.unet.channels[0], 1e-5)
        outputs = 2 * config.unet.latent_channels + 2 if self.portrait_at_ends else config.unet.latent_channels
        self.conv_out = backend.conv2d(config.unet.channels[0], outputs, 3)

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        features: Sequence[Features],
        *,
        temporal: bool = True,
        hooks: Hooks | None = None,
        deep: DeepPass | None = None,
    ) -> Tensor:
        """Prediction [R*F, 4, h, w] for R clips of F frames.

        latents [R*F, 4, h, w], frames of a clip together; timesteps [R]; features: one per clip.
        temporal=False leaves the temporal modules out (the paper's image stage has none). hooks may change what
        the blocks and attention layers do. deep may let the deep layers rest.
        """
        rows = len(features)
        if rows == 0 or latents.shape[0] % rows:
            raise ValueError(f"{latents.shape[0]} latents cannot be {rows} clips of equal length")
        frames = latents.shape[0] // rows
        around = self._around(latents, timesteps, Batch(features, frames)) if self.portrait_at_ends else None
        if self.mover is not None:
            features = _tokens(features, 0, -TOKENS)
        batch = Batch(features, frames, temporal=temporal, hooks=hooks, deep=deep)
        if around is not None:
            latents = around.guess(CHANGES[1])
        if self.face_at_input:
            latents = _add_face(latents, batch)
        x = self.conv_in(latents if around is None else torch.cat([latents, around.moved_portraits], dim=1))
        if not self.face_at_input:
            x = _add_face(x, batch)
        time = self.time_embedding(timesteps, latents.dtype)
        x = self.conv_out(silu(self.conv_norm_out(self.run(x, time, batch))))
        return x if around is None else around.velocity(x)

    def _around(self, latents: Tensor, timesteps: Tensor, batch: Batch) -> AroundPortrait:
        table = Schedule.create(self.schedule).alpha_bar.to(timesteps.device)
        alpha_bar = table[timesteps.round().long()].repeat_interleave(batch.frames)[:, None, None, None]
        portraits = _portraits(latents, batch)
        shown, flow = portraits.repeat_interleave(batch.frames, 0), None
        if self.mover is not None:
            flow = self.mover(portraits, Batch(_tokens(batch.features, -TOKENS, None), batch.frames))
        if self.expressions is not None:
            drawn = batch if self.mover is None else Batch(_tokens(batch.features, 0, -TOKENS), batch.frames)
            shown = shown + self.expressions(portraits, drawn)
        return AroundPortrait(latents, shown, alpha_bar, flow, self.warp)


@dataclass(frozen=True)
class AroundPortrait:
    """Noisy latents and portraits [R*F, C, h, w] at alpha_bar [R*F, 1, 1, 1], and what they say without a network.

    The clean latents are taken for the portrait's with a variance, `CHANGES`: their mean, given the noisy latents, is
    the linear guess. This is the preconditioning of EDM (Karras et al., 2022) around the portrait.
    """

    noisy: Tensor
    portraits: Tensor
    alpha_bar: Tensor
    flow: Tensor | None = None
    """Where the mover takes each place of the portrait from, as `moved` wants it."""
    warp: Warp | None = None
    """What moves portraits; without, their cells are mixed (`moved`)."""

    @cached_property
    def moved_portraits(self) -> Tensor:
        """The portraits as the mover brings them."""
        return self.portraits if self.flow is None else self._moved(self.flow)

    @cached_property
    def _unfolded(self) -> Tensor | None:
        return None if self.warp is None else self.warp.unfolds(self.portraits)

    def _moved(self, flow: Tensor) -> Tensor:
        return moved(self.portraits, flow) if self.warp is None else self.warp(self.portraits, flow, self._unfolded)

    def guess(self, change: float) -> Tensor:
        """The clean latents, if they differ from the moved portrait's by a variance of `change`."""
        signal = self.alpha_bar.sqrt()
        share = signal * change / (self.alpha_bar * change + 1 - self.alpha_bar)
        rest = self.noisy - signal.to(self.noisy) * self.moved_portraits
        return self.moved_portraits + share.to(rest) * rest

    def velocity(self, x: Tensor) -> Tensor:
        """Velocity of the guess around the moved portrait where that is all, elsewhere of that for a face and more.

        x [R*F, 2C + 2, h, w]: what is added where the picture changes, the logit of how much it does, and from where
        in the portrait each place comes: (x, y) in latent cells (`moved`), beside what the mover says. Without the
        choice noise would have to be taken out of a still background to the last number, without the movement a
        turning head would have to be drawn anew; narrow maps between normalisations can do neither.
        """
        channels = self.noisy.shape[1]
        added, moves, flow = x.split([channels, channels, 2], dim=1)
        portraits = self._moved(flow if self.flow is None else self.flow + flow)
        still, moving = (self._velocity_of_guess(change, portraits) for change in CHANGES)
        return torch.lerp(still, moving + added, moves.sigmoid())

    def _velocity_of_guess(self, change: float, portraits: Tensor) -> Tensor:
        signal, scale = self.alpha_bar.sqrt(), (1 - self.alpha_bar).sqrt()
        spread = self.alpha_bar * change + scale.square()
        of_noisy, of_portrait = signal * (1 - change / spread) / scale, -scale / spread
        return of_noisy.to(self.noisy) * self.noisy + of_portrait.to(self.noisy) * portraits


def _tokens(features: Sequence[Features], first: int, end: int | None) -> list[Features]:
    """The rows with a part of their audio tokens."""
    return [f if f.audio is None else dataclasses.replace(f, audio=f.audio[:, first:end]) for f in features]


def _add_face(x: Tensor, batch: Batch) -> Tensor:
    """Add the Face Locator's output to the rows that have one."""
    if all(f.face is None for f in batch.features):
        return x
    rows = list(x.unflatten(0, (len(batch.features), -1)))
    rows = [row if f.face is None else row + f.face.to(row) for row, f in zip(rows, batch.features, strict=True)]
    return torch.cat(rows)


def _portraits(latents: Tensor, batch: Batch) -> Tensor:
    """The portrait of every row beside its frames' latents [R*F, C, h, w], as [R, C, h, w]; zeros where it has none."""
    shown = batch.reference(PORTRAIT)
    if shown is None:
        return torch.zeros_like(latents[: len(batch.features)])
    value = shown.value.to(latents)
    if value.shape[-2:] != latents.shape[-2:]:
        value = interpolate(value, latents.shape[-2:], mode="bilinear")
    if len(shown.rows) < len(batch.features):
        value = join(len(batch.features), shown.rows, value, value.new_zeros(1))
    return value


def _followers(config: EmoConfig, backend: Backend):
    unet, audio = config.unet, config.audio
    context = config.context.width if config.context else None
    speed = config.speed.width if config.speed else None

    def followers(width: int, level: int, path: str) -> dict[str, nn.Module]:
        found: dict[str, nn.Module] = {}
        attends = unet.attention[level] or path.startswith("mid_block")
        if attends:
            block = BackboneBlock(width, unet.heads, config.reference, audio, context, backend=backend)
            found["attentions"] = SpatialTransformer(width, unet, block, backend=backend)
        if attends and audio.site == "module":
            inner = _audio_inner_width(unet.channels, level, path)
            found["audio_modules"] = AudioModule(
                width, inner, unet.heads, unet.groups, audio.token_width, backend=backend
            )
        if config.temporal.levels[level] or path.startswith("mid_block"):
            found["motion_modules"] = MotionModule(width, unet.groups, config.temporal, speed, backend=backend)
        return found

    return followers


def _audio_inner_width(channels: tuple[int, ...], level: int, path: str) -> int:
    """Hallo's audio modules work at the block's input width going down, at the next finer width going up."""
    if path.startswith("mid_block"):
        return channels[level]
    if path.startswith("up_blocks") or path.endswith("attentions.0"):
        return channels[max(level - 1, 0)]
    return channels[level]
