"""From one portrait and one sound to frames, without ComfyUI (paper, sec. 3: the whole method).

The nodes run the same networks through ComfyUI's samplers; with `euler` and `simple`, or for published families
with `emo_ddim`, both give the same frames.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .audio.encoders import audio_windows, encode_states
from .audio.rules import video_length
from .backend import Backend
from .checkpoints.load import Checkpoint, build_backbone, build_encoders, open_checkpoint
from .checkpoints.networks import build_companions, build_head_finder
from .config import EmoConfig
from .diffusion.long_video import motion_pictures, plan_clips, plan_windows, shifted
from .diffusion.median import median_filtered
from .diffusion.samplers import sample_clip, sample_windows
from .diffusion.schedule import Schedule
from .diffusion.shortcuts import Shortcuts
from .face.locator_input import FaceMarks, locator_input
from .face.placing import placed
from .face.regions import box_around, middle_box
from .media.video import Sound
from .models.backbone import Backbone
from .models.emo import Encoders
from .models.guidance_rows import Rows, guidance_rows
from .models.guided import Guided
from .models.reference_pair import ReferencePair, encode_motion, encode_pair
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
    deep_every: int = 1
    """Deep layers run at every n-th step only (see `Shortcuts`); 1 is exact."""
    guided_share: float = 1.0
    """Share of the steps, from the first, that are guided; 1 is exact."""


@dataclass(frozen=True)
class Face:
    """What is known of the portrait's face; None is what can do without."""

    mask: Tensor | None = None
    """[S, S] paints where the face may be; None is the middle of the picture."""
    lips: Tensor | None = None
    """[S, S] paints the lips."""
    points: Tensor | None = None
    """[1, 3, 2]: x, y in px of the eye on the left of the picture, the one on the right, the nose."""
    embedding: Tensor | None = None
    """[E], who the face is (Hallo)."""

    def marks(self, size: int) -> FaceMarks:
        """Boxes and points in a picture of `size` px."""
        return FaceMarks(
            middle_box(size) if self.mask is None else box_around(self.mask),
            None if self.lips is None else box_around(self.lips),
            self.points,
        )


NO_FACE = Face()


class Animator:
    """The networks of one checkpoint, ready to run."""

    def __init__(
        self, checkpoint: Checkpoint, backend: Backend | None = None, folders: Sequence[Path] = ()
    ) -> None:
        """Build everything; folders are where the VAE and audio encoder of published families are looked for."""
        backend = backend or Backend(dtype=torch.float32)
        self.vae, self.audio_encoder = build_companions(checkpoint, backend, folders)
        self.head_finder = build_head_finder(checkpoint, backend)
        self.config: EmoConfig = checkpoint.config
        self.title = checkpoint.title
        self.backbone: Backbone = build_backbone(checkpoint, backend)
        self.encoders: Encoders = build_encoders(checkpoint, backend)
        self.schedule = Schedule.create(self.config.schedule)

    @staticmethod
    def open(path: Path = BUILT_IN, folders: Sequence[Path] = (), release: str | None = None) -> Animator:
        """Read a checkpoint in full precision."""
        return Animator(open_checkpoint(path, release=release, dtype=torch.float32), folders=folders)

    @torch.inference_mode()
    def animate(
        self, portrait: Tensor, sound: Sound, wish: Wish, mask: Tensor | None = None, face: Face = NO_FACE
    ) -> Iterator[Tensor]:
        """Frames [f, S, S, 3] in 0..1 of each clip in turn, or of the whole video for families with windows.

        portrait [S, S, 3] in 0..1; mask [S, S] paints where the face may be, None is the middle of the picture. A model
        with a head finder brings the head to where the mask is, if it is elsewhere.
        """
        decoded = (self._decode(latents) for latents in self.sample(portrait, sound, wish, mask, face))
        yield from median_filtered(decoded) if self.config.long_video.median_filter else decoded

    def _decode(self, latents: Tensor) -> Tensor:
        """Pictures [f, S, S, 3] in 0..1."""
        pieces = (self.vae.decode(piece) / 2 + 0.5 for piece in latents.split(4))
        return torch.cat([piece.clamp(0, 1) for piece in pieces]).movedim(1, -1)

    @torch.inference_mode()
    def sample(
        self, portrait: Tensor, sound: Sound, wish: Wish, mask: Tensor | None = None, face: Face = NO_FACE
    ) -> Iterator[Tensor]:
        """Scaled latents [f, C, h, w] of each clip; motion frames carry one into the next (paper, sec. 3.2)."""
        frames, fps = self.length(sound, wish)
        face = face if mask is None else dataclasses.replace(face, mask=mask)
        scene = self._scene(portrait, sound, frames, fps, wish, face)
        if self.config.long_video.mode == "windows":
            yield self._windows(scene, frames, wish)
        else:
            yield from self._chain(scene, frames, wish)

    def length(self, sound: Sound, wish: Wish) -> tuple[int, float]:
        """Frames of the video of a sound, and frames per second."""
        return video_length(self.config, sound.seconds, wish.fps)

    def _scene(
        self, portrait: Tensor, sound: Sound, frames: int, fps: float, wish: Wish, face: Face
    ) -> _Scene:
        """Everything that is known before the first clip."""
        size = portrait.shape[0]
        located = locator_input(self.config, face.marks(size), size, wish.margin)
        speed = None if wish.speed is None else torch.full((frames,), wish.speed)
        embedding = None if face.embedding is None else face.embedding.float()
        return _Scene(
            picture=self._placed(portrait, face).movedim(-1, 0)[None] * 2 - 1,
            face=located.mask,
            features=Features(
                audio=self._audio(sound, frames, fps),
                face=self.encoders.face_locator(located.picture),
                speed=None if speed is None else self.encoders.encode_speed(speed),
                regions=located.regions,
                context=self.encoders.encode_context(embedding),
            ),
            context_without=self.encoders.encode_context(None),
        )

    def _placed(self, portrait: Tensor, face: Face) -> Tensor:
        """The portrait [S, S, 3] with its head where the mask asks for it."""
        if self.head_finder is None or face.mask is None:
            return portrait
        head = self.head_finder.find(portrait.movedim(-1, 0)[None] * 2 - 1)[0] * portrait.shape[0]
        return placed(portrait, head, box_around(face.mask)[0])

    def _audio(self, sound: Sound, frames: int, fps: float) -> Tensor:
        def encode(waveform: Tensor, count: int | None) -> Tensor:
            return encode_states(self.audio_encoder, waveform, count, self.config.audio.layers)

        windows = audio_windows(encode, self.config, sound, frames, fps)
        return torch.cat([self.encoders.encode_audio(piece) for piece in windows])

    def _chain(self, scene: _Scene, frames: int, wish: Wish) -> Iterator[Tensor]:
        """Clip after clip; each sees the end of the one before through its motion frames."""
        config = self.config
        tail: Tensor | None = None
        pair: ReferencePair | None = None
        for index, clip in enumerate(plan_clips(frames, config.temporal.clip_frames)):
            made = clip.frames if config.long_video.full_clips else min(clip.stop, frames) - clip.start
            seed = wish.seed + index
            pair = self._pair(scene, self._motion(scene, tail, seed), pair)
            rows = self._rows(scene, pair)
            shown = range(clip.start, clip.start + made)
            latents = sample_clip(
                self.schedule,
                self._noise(made, scene, seed),
                self._steps(wish),
                self._predict([(weight, row.at(shown)) for weight, row in self._weighted(rows, wish)], wish),
            )
            count = config.temporal.motion_frames
            tail = (latents if tail is None else torch.cat([tail, latents]))[-count:] if count else None
            yield latents[: frames - clip.start]

    def _windows(self, scene: _Scene, frames: int, wish: Wish) -> Tensor:
        """The whole video at once, its windows' predictions averaged at every step."""
        plan = self.config.long_video
        windows = plan_windows(frames, self.config.temporal.clip_frames, plan)
        return sample_windows(
            self.schedule,
            self._noise(frames, scene, wish.seed),
            self._steps(wish),
            self._predict(self._weighted(self._rows(scene, self._pair(scene, None)), wish), wish),
            lambda step: shifted(windows, step, frames, plan),
        )

    def _motion(self, scene: _Scene, tail: Tensor | None, seed: int) -> Tensor | None:
        """Latents [n, C, h, w] of a clip's motion frames; `tail` are the last latents of the clips before."""
        count, plan = self.config.temporal.motion_frames, self.config.long_video
        if not count:
            return None
        if tail is not None and plan.handover == "latents":
            return tail
        decoded = None if tail is None else self.vae.decode(tail) / 2 + 0.5
        return self.vae.encode(motion_pictures(scene.picture, decoded, count, plan, scene.face, seed))

    def _pair(
        self, scene: _Scene, motion: Tensor | None, before: ReferencePair | None = None
    ) -> ReferencePair:
        """The portrait and the motion frames through the ReferenceNet; the portrait as it was for the clip before."""
        net, config = self.encoders.reference_net, self.config
        tokens = config.reference.context == "tokens"
        context = scene.features.context if tokens else None
        without = scene.context_without if tokens else None
        mixed = config.reference.mixed_rows
        if before is not None and motion is not None:
            seen = encode_motion(net, motion, context=context, context_without=without, mixed=mixed)
            return ReferencePair(before.reference, *seen)
        portrait = self.vae.encode(scene.picture)
        return encode_pair(
            net,
            portrait if motion is None else torch.cat([portrait, motion]),
            config.temporal.clip_frames,
            context=context,
            context_without=without,
            mixed=mixed,
        )

    def _rows(self, scene: _Scene, pair: ReferencePair) -> Rows:
        """What each row of guidance sees."""
        full = dataclasses.replace(scene.features, reference=pair.reference, motion=pair.motion)
        return guidance_rows(self.config, full, scene.context_without, pair.motion_without)

    def _weighted(self, rows: Rows, wish: Wish) -> list[tuple[float, Features]]:
        """Guidance in two steps, to the portrait and on to the portrait that speaks, as a weighted sum."""
        preset = self.config.preset
        scale = preset.guidance if wish.guidance is None else wish.guidance
        audio_scale = preset.audio_guidance if wish.audio_guidance is None else wish.audio_guidance
        weighted = [(audio_scale, rows.full), (scale - audio_scale, rows.silent), (1 - scale, rows.none)]
        return [(weight, row) for weight, row in weighted if weight]

    def _predict(self, weighted: list[tuple[float, Features]], wish: Wish) -> Guided:
        timesteps = self.schedule.timesteps(self._steps(wish))
        return Guided(self.backbone, weighted, timesteps, Shortcuts(wish.deep_every, wish.guided_share))

    def _noise(self, frames: int, scene: _Scene, seed: int) -> Tensor:
        size = scene.picture.shape[-1] // self.config.vae.cell
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(frames, self.config.unet.latent_channels, size, size, generator=generator)

    def _steps(self, wish: Wish) -> int:
        return wish.steps or self.config.preset.steps


@dataclass(frozen=True)
class _Scene:
    """What is known before the first clip."""

    picture: Tensor
    """The portrait, [1, 3, S, S] in -1..1."""
    face: Tensor
    """Where the face may be, [S, S] of 0 and 1."""
    features: Features
    """Everything but portrait and motion frames."""
    context_without: Tensor | None


def window(features: Features, start: int, stop: int) -> Features:
    """The features of frames `start` to `stop`."""
    return features.at(range(start, stop))
