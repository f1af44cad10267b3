"""From one portrait and one sound to frames, without ComfyUI (paper, sec. 3: the whole method).

The nodes run the same networks through ComfyUI's samplers; with `euler` and `simple` both give the same frames.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .audio.features import StateTimes, frame_windows
from .audio.mel_conv import SAMPLE_RATE, MelConvEncoder, normalise
from .backend import Backend
from .checkpoints.load import (
    AUDIO_ENCODER,
    VAE,
    Checkpoint,
    build_backbone,
    build_encoders,
    fill,
    open_checkpoint,
)
from .config import EmoConfig
from .diffusion.schedule import Schedule
from .face.boxes import box_mask
from .face.regions import box_around, middle_box
from .media.video import Sound
from .models.backbone import Backbone
from .models.emo import Encoders
from .models.vae import AutoencoderKL
from .modules.conditions import Features

BUILT_IN = Path(__file__).with_name("assets") / "emo-tiny.safetensors"


@dataclass(frozen=True)
class Wish:
    """What a user may choose; None is the model's own preset."""

    seed: int = 0
    fps: float | None = None
    steps: int | None = None
    guidance: float | None = None
    """From no condition to the portrait."""
    audio_guidance: float | None = None
    """From the portrait to the portrait that hears the sound."""
    speed: float | None = 0.5
    """Degrees per frame that the head turns; None leaves the speed layers out."""
    margin: float = 0.05
    """Room around the face region, as a share of its size."""


class Animator:
    """The networks of one checkpoint, ready to run."""

    def __init__(self, checkpoint: Checkpoint, backend: Backend | None = None) -> None:
        backend = backend or Backend(dtype=torch.float32)
        self.config: EmoConfig = checkpoint.config
        self.title = checkpoint.title
        if self.config.audio.encoder != "mel_conv":
            raise ValueError(
                f"{checkpoint.family.title} hears through {self.config.audio.encoder}, which `generate` cannot run "
                "yet: use the ComfyUI nodes"
            )
        self.backbone: Backbone = build_backbone(checkpoint, backend)
        self.encoders: Encoders = build_encoders(checkpoint, backend)
        meta = dataclasses.replace(backend, device="meta")
        self.vae = fill(AutoencoderKL(self.config.vae, backend=meta), checkpoint.part(VAE), "VAE")
        audio = MelConvEncoder(self.config.audio, backend=meta)
        self.audio_encoder = fill(audio, checkpoint.part(AUDIO_ENCODER), "audio encoder")
        self.schedule = Schedule.create(self.config.schedule)

    @staticmethod
    def open(path: Path = BUILT_IN) -> Animator:
        """Read a checkpoint in full precision."""
        return Animator(open_checkpoint(path, dtype=torch.float32))

    @torch.inference_mode()
    def animate(
        self, portrait: Tensor, sound: Sound, wish: Wish, mask: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Frames [f, S, S, 3] in 0..1 of each clip in turn.

        portrait [S, S, 3] in 0..1; mask [S, S] paints where the face may be, None is the middle of the picture.
        """
        for latents in self.sample(portrait, sound, wish, mask):
            pictures = self.vae.decode(latents) / 2 + 0.5
            yield pictures.clamp(0, 1).movedim(1, -1)

    @torch.inference_mode()
    def sample(
        self, portrait: Tensor, sound: Sound, wish: Wish, mask: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Scaled latents [f, 4, h, w] of each clip; motion frames carry one into the next (paper, sec. 3.2)."""
        fps = wish.fps or self.config.preset.fps
        frames = sound.frames(fps)
        features = self._features(portrait, sound, frames, fps, wish, mask)
        length = self.config.temporal.clip_frames
        size = portrait.shape[0] // 8
        tail: Tensor | None = None
        for index, start in enumerate(range(0, frames, length)):
            count = min(length, frames - start)
            generator = torch.Generator().manual_seed(wish.seed + index)
            noise = torch.randn(count, self.config.unet.latent_channels, size, size, generator=generator)
            clip = window(features, start, start + count)
            if tail is not None and clip.motion is not None:
                clip = dataclasses.replace(clip, motion=self.encoders.reference_net(tail))
            latents = self._denoise(self.schedule.initial_noise(noise), clip, wish)
            count = self.config.temporal.motion_frames
            tail = (latents if tail is None else torch.cat([tail, latents]))[-count:] if count else None
            yield latents

    def _denoise(self, x: Tensor, clip: Features, wish: Wish) -> Tensor:
        """DDIM with guidance in two steps: to the portrait, and on to the portrait that speaks."""
        preset = self.config.preset
        scale = preset.guidance if wish.guidance is None else wish.guidance
        audio_scale = preset.audio_guidance if wish.audio_guidance is None else wish.audio_guidance
        silent = dataclasses.replace(clip, audio=None)
        weighted = [
            (audio_scale, clip),
            (scale - audio_scale, silent),
            (1 - scale, dataclasses.replace(silent, reference=None)),
        ]
        weighted = [(weight, row) for weight, row in weighted if weight]
        weights = x.new_tensor([weight for weight, _ in weighted])[:, None, None, None, None]
        timesteps = self.schedule.timesteps(wish.steps or preset.steps)
        for index, timestep in enumerate(timesteps):
            rows = x.new_full((len(weighted),), timestep)
            batch = x.expand(len(weighted), *x.shape).flatten(0, 1)
            prediction = self.backbone(batch, rows, [row for _, row in weighted]).unflatten(
                0, (len(weighted), -1)
            )
            x = self.schedule.ddim_step(x, (weights * prediction).sum(0), timesteps, index)
        return x

    def _features(
        self, portrait: Tensor, sound: Sound, frames: int, fps: float, wish: Wish, mask: Tensor | None
    ) -> Features:
        """Everything that is known before the first clip."""
        picture = portrait.movedim(-1, 0)[None] * 2 - 1
        tokens = self.encoders.reference_net(self.vae.encode(picture))
        return Features(
            reference=tokens,
            motion=self._start_motion(picture, tokens),
            audio=self._audio(sound, frames, fps),
            face=self._face(mask, portrait.shape[0], wish.margin),
            speed=None
            if wish.speed is None
            else self.encoders.encode_speed(torch.full((frames,), wish.speed)),
        )

    def _start_motion(self, picture: Tensor, tokens: dict[str, Tensor]) -> dict[str, Tensor] | None:
        """Zero maps for the first clip (paper): mid-grey pixels through VAE and ReferenceNet."""
        count = self.config.temporal.motion_frames
        if not count:
            return None
        if self.config.long_video.motion_source == "zeros":
            tokens = self.encoders.reference_net(self.vae.encode(torch.zeros_like(picture)))
        return {path: value.expand(count, -1, -1) for path, value in tokens.items()}

    def _audio(self, sound: Sound, frames: int, fps: float) -> Tensor:
        audio = self.config.audio
        states = self.audio_encoder.encode(normalise(sound.mono(SAMPLE_RATE)))
        windows = frame_windows(states[:, -audio.layers :], StateTimes(), frames, fps, audio.window)
        return torch.cat([self.encoders.audio_projection(piece) for piece in windows.split(256)])

    def _face(self, mask: Tensor | None, size: int, margin: float) -> Tensor:
        box = middle_box(size) if mask is None else box_around(mask)
        return self.encoders.face_locator(box_mask(box, size, size, expand=1 + 2 * margin))


def window(features: Features, start: int, stop: int) -> Features:
    """The features of frames `start` to `stop`."""
    face = features.face
    return dataclasses.replace(
        features,
        audio=None if features.audio is None else features.audio[start:stop],
        speed=None if features.speed is None else features.speed[start:stop],
        face=face if face is None or face.shape[0] == 1 else face[start:stop],
    )
