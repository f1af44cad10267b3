"""One training step of EMO on encoded clips: what a batch is, what is left out, what the loss is."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, cast

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from ..audio.features import neighbours
from ..config import EmoConfig
from ..diffusion.schedule import TRAIN_STEPS, Schedule
from ..face.boxes import box_mask
from ..models.emo import Emo
from ..models.mover import WAYS
from ..modules.conditions import Features
from .decoded_faces import DecodedFaces
from .expression_reader import ExpressionReader, places_of
from .nearness import NEAR, near
from .poses import turns_of
from .stages import Stage, freeze
from .synthetic.rest import at_rest
from .synthetic.types import TRACKS
from .telling import Telling

STATES_PER_FRAME = ("frames", "encoder_at_frames")
"""Window rules that are made of one audio state per frame, which is what clips keep."""
GOLDEN = (5**0.5 - 1) / 2
NOT_IN_PLACE = 0.1
"""Weight of rows whose portrait is missing or elsewhere, in networks that begin with the portrait (`at_ends`).

Their errors are twelve times those of the others: with equal weights most of what a step changes came from them, and
1100 steps of emo-tiny learned next to nothing from the sound (docs/emo_tiny_history.md)."""
READ_THROUGH = 0.4
"""Deviation of the noise that the reader of expressions looks through, as much as it learned to."""
OWN_STEPS = (2, 5)
"""Fewest and most steps from noise to picture where a row begins behind the model's own (`Stage.own_states`)."""
BLINK = TRACKS.index("blink")
RESTING = 3
"""Frames of a clip that serve as its portrait."""
SHUT = 0.3
"""How far lids are down whose eyes are no portrait's."""
ANY_FACE = 1 / 3
"""Part of the posed people whose portrait is any of their pictures with open eyes, so with a mouth as round or wide as
they come: those meant as portraits never are round."""


class Sounds(Protocol):
    """What is heard, and what faces do to it: clips, or `spoken_clips.SpokenClips`, of which there can be many more."""

    def __len__(self) -> int: ...

    def frames(self, clip: int) -> int:
        """Number of frames of a clip."""
        ...

    def get(self, clip: int, name: str, rows: np.ndarray | slice) -> Tensor:
        """Rows of states, tracks, latents, boxes, speed ... of a clip, float32, one per frame."""
        ...


class Clips(Sounds, Protocol):
    """Encoded clips: `latent_clips.LatentClips` of the synthetic world, `shard_clips.ShardClips` of footage."""

    size: int
    """Side of the pictures, px."""
    fps: float

    def has(self, name: str) -> bool:
        """Whether the clips have `name`."""
        ...


class Portrait(NamedTuple):
    """Which picture of a clip is the portrait."""

    name: Literal["latents", "portraits"]
    """A frame of the clip, or a picture whose face is elsewhere."""
    index: int


class EmoTask:
    """Denoise clips (or single pictures) under the conditions of a stage."""

    def __init__(
        self,
        model: Emo,
        clips: Clips,
        stage: Stage,
        zero_latents: Tensor,
        *,
        equal_drops: bool = False,
        reader: ExpressionReader | None = None,
        faces: DecodedFaces | None = None,
        posed: Clips | None = None,
    ) -> None:
        """zero_latents [4, h, w]: a mid-grey picture through the VAE, the motion frames of a first clip.

        equal_drops: all processes leave out the same conditions, so that the same layers have gradients (FSDP).
        reader: judges expressions where the stage has an `expression_weight`; clips need landmarks then.
        faces: judges decoded mouths and eyes where the stage has a `decoded_weight`; likewise.
        posed: faces posed at random (`synthetic.posed`), for the stage's `posed` rows.
        """
        self.model, self.clips, self.stage, self.equal_drops = model, clips, stage, equal_drops
        if stage.expression_weight and reader is None:
            raise ValueError(
                f"stage {stage.name!r} has expression_weight {stage.expression_weight}, which takes a trained reader "
                "of expressions and clips with landmarks (rendered ones have them): set it to 0 for footage"
            )
        if stage.decoded_weight and faces is None:
            raise ValueError(
                f"stage {stage.name!r} has decoded_weight {stage.decoded_weight}, which takes the VAE and clips with "
                "landmarks (rendered ones have them): set it to 0 for footage"
            )
        if stage.posed and posed is None:
            raise ValueError(
                f"stage {stage.name!r} has {stage.posed} rows of posed faces, and no such clips were given: "
                "render some, or set posed to 0"
            )
        self.posed = posed
        self.telling = Telling(model.config.audio) if stage.posed or stage.told else None
        self.reader = reader if stage.expression_weight else None
        self.faces = faces if stage.decoded_weight else None
        self.config: EmoConfig = model.config
        if stage.audio and self.config.audio.rows not in STATES_PER_FRAME:
            raise ValueError(
                f"stage {stage.name!r} trains with sound, but the model's windows are {self.config.audio.rows!r}, "
                "which clips do not keep: train the stage 'speed', or a model of EMO's or Hallo's kind"
            )
        self.schedule = Schedule.create(self.config.schedule)
        self.zero_latents = zero_latents
        self.trained = freeze(stage, model)

    def loss(self, generator: torch.Generator) -> Tensor:
        """Weighted squared error of the prediction for one batch."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        # seeds of one batch differ between processes in their last 64 values (`Loop`)
        drops = np.random.default_rng(generator.initial_seed() // 64) if self.equal_drops else rng
        rows = [self._row(rng, drops) for _ in range(self.stage.rows - self.stage.posed)]
        if drops.random() < self.stage.drop_speed:
            for row in rows:
                row.pop("speed", None)
        rows += [self._posed_row(rng) for _ in range(self.stage.posed)]  # still heads, told so
        rows = [{name: value.to(self.device) for name, value in row.items()} for row in rows]
        latents = torch.cat([row["latents"] for row in rows])  # [R*F, 4, h, w]
        timesteps = torch.tensor(
            spread_timesteps(generator.initial_seed(), len(rows), self.stage.pure_noise), device=self.device
        )
        noise = torch.randn(latents.shape, generator=generator).to(self.device)
        per_frame = timesteps.repeat_interleave(self.stage.frames)
        noisy = self.schedule.add_noise(latents, noise, per_frame)
        features = self.features(rows)
        wanted = self.schedule.target(latents, noise, per_frame)
        counts = torch.cat([row["counts"] for row in rows])
        weight = torch.cat([row["weight"] for row in rows]) * counts[:, None, None, None]
        own = {row: begun(drops) for row in range(len(rows)) if self._begins_itself(drops)}
        for row, x in self._made(noise, features, own).items():
            timestep = self.schedule.timesteps(own[row][0])[own[row][1]]
            part = slice(row * self.stage.frames, (row + 1) * self.stage.frames)
            timesteps[row], noisy[part] = timestep, x
            wanted[part] = self.schedule.prediction_of(x, latents[part], timestep)
        prediction = self.model.backbone(noisy, timesteps.float(), features, temporal=self.stage.temporal)
        error = (prediction.float() - wanted).square()
        if self.stage.even:
            per_frame = timesteps.repeat_interleave(self.stage.frames)
            weight = weight * self.schedule.clean_per_prediction(per_frame).to(weight)[:, None, None, None]
        loss = (error * weight).mean()
        if self.reader is None and self.faces is None:
            return loss
        clean = self._clean(noisy, prediction.float(), timesteps)
        places = torch.cat([row["places"] for row in rows])
        if self.faces is not None:
            # of heads that are not where they should be, that is most of what differs
            judged = [row for row, known in enumerate(rows) if "turns" in known] or list(range(len(rows)))
            parts = (part.unflatten(0, (len(rows), -1))[judged] for part in (clean, latents, places, counts))
            loss = loss + self.stage.decoded_weight * self.faces.difference(*(part.flatten(0, 1) for part in parts))
        if self.reader is not None:
            # or faint patterns that mean a mouth to this reader alone would do
            seen = clean + READ_THROUGH * torch.randn(clean.shape, generator=generator).to(clean)
            loss = loss + self.stage.expression_weight * self.reader.difference(seen, latents, places)
        return loss

    def _begins_itself(self, rng: np.random.Generator) -> bool:
        return self.stage.own_states > 0 and rng.random() < self.stage.own_states

    @torch.no_grad()
    def _made(
        self, noise: Tensor, features: list[Features], own: dict[int, tuple[int, int]]
    ) -> dict[int, Tensor]:
        """What the model makes of pure noise in the first of its steps, [F, C, h, w] for each row of `own`.

        own: for a row the number of steps from noise to picture, and how many of them are done.
        """
        made = {row: self.schedule.initial_noise(noise.unflatten(0, (len(features), -1))[row]) for row in own}
        for index in range(max((done for _, done in own.values()), default=0)):
            rows = [row for row, (_, done) in own.items() if done > index]
            steps = [self.schedule.timesteps(own[row][0]) for row in rows]
            times = torch.tensor([float(timesteps[index]) for timesteps in steps], device=noise.device)
            x = torch.cat([made[row] for row in rows])
            shown = [features[row] for row in rows]
            guess = self.model.backbone(x, times, shown, temporal=self.stage.temporal).float().chunk(len(rows))
            for row, timesteps, prediction in zip(rows, steps, guess, strict=True):
                made[row] = self.schedule.ddim_step(made[row], prediction, timesteps, index)
        return made

    def _clean(self, noisy: Tensor, prediction: Tensor, timesteps: Tensor) -> Tensor:
        """The latents that a prediction for all rows stands for."""
        rows = zip(noisy.chunk(len(timesteps)), prediction.chunk(len(timesteps)), timesteps.tolist(), strict=True)
        return torch.cat([self.schedule.split(*row)[0] for row in rows])

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def _row(self, rng: np.random.Generator, drops: np.random.Generator) -> dict[str, Tensor]:
        """One identity: target frames, a picture of it, motion frames, sound, place, speed."""
        clip, stage = int(rng.integers(len(self.clips))), self.stage
        frames = self._frames(clip, rng)
        places = self._places(clip, frames)
        portrait = self._portrait(clip, rng)
        in_place = portrait.name == "latents"
        row = {
            "latents": self.clips.get(clip, "latents", frames),
            "reference": self.clips.get(clip, portrait.name, np.array([portrait.index])),
            "mask": self._mask(self._boxes(clip, frames), rng),
            "weight": self._weight(places, len(frames)),
        } | self._further(clip, frames, portrait)
        if places is not None and places.shape[1] == len(NEAR):
            row["places"] = places
        if stage.placed and in_place and self.clips.has("tracks"):
            tracks = self.clips.get(clip, "tracks", slice(None))
            row["turns"] = turns_of(tracks[torch.from_numpy(frames)], tracks[portrait.index : portrait.index + 1])
        if drops.random() < stage.drop_reference:
            row["no_reference"], in_place = torch.ones(()), False
        row["counts"] = torch.ones(len(frames))
        if self.config.reference.at_ends and not in_place:
            row["counts"] *= NOT_IN_PLACE
        if stage.temporal and self.config.temporal.motion_frames:
            row["motion"] = self._motion(clip, frames[0], rng)
        if stage.audio and drops.random() >= stage.drop_audio:
            row["windows"] = self._windows(clip, frames)
            if stage.told and rng.random() < stage.told:
                row["tells"] = self.clips.get(clip, "tracks", frames)
        if stage.speed:
            speed = self.clips.get(clip, "speed", slice(None))
            row["speed"] = speed.mean().expand(len(frames)) if stage.as_asked else speed[frames]
        return row

    def _posed_row(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """One identity on a still head: expressions, another of them as portrait, any sound made to tell of them."""
        clips = cast(Clips, self.posed)
        clip = int(rng.integers(len(clips)))
        portrait = self._posed_portrait(clip, rng)
        others = np.delete(np.arange(clips.frames(clip)), portrait)
        frames = rng.choice(others, self.stage.frames, replace=False)
        heard = int(rng.integers(len(self.clips)))
        row = {
            "latents": clips.get(clip, "latents", frames),
            "reference": clips.get(clip, "latents", np.array([portrait])),
            "mask": self._mask(clips.get(clip, "boxes", frames), rng),
            "places": places_of(clips.get(clip, "landmarks", frames), clips.size, self.zero_latents.shape[-1]),
            "counts": torch.ones(self.stage.frames),
            "windows": self._windows(heard, rng.integers(self.clips.frames(heard), size=self.stage.frames)),
            "tells": clips.get(clip, "tracks", frames),
            "speed": torch.zeros(self.stage.frames),
            "turns": torch.zeros(self.stage.frames, WAYS),
        }
        return row | {"weight": self._weight(row["places"], self.stage.frames)}

    def _posed_portrait(self, clip: int, rng: np.random.Generator) -> int:
        """The picture that was meant as one, the first, or any whose eyes are open."""
        if rng.random() >= ANY_FACE:
            return 0
        lids = cast(Clips, self.posed).get(clip, "tracks", slice(None))[:, BLINK]
        return int(rng.choice(np.flatnonzero(lids.numpy() < SHUT)))

    def _windows(self, clip: int, frames: np.ndarray) -> Tensor:
        """What is heard around some frames of a clip, [F, K, layers, C]."""
        return windows_around(self.clips, clip, frames, self.config.audio.window)

    def _frames(self, clip: int, rng: np.random.Generator) -> np.ndarray:
        """Frames in a row for layers over time, any others without; more often such with closed eyes (`shut`)."""
        total, stage = self.clips.frames(clip), self.stage
        chance = np.ones(total)
        if stage.shut and self.clips.has("tracks"):
            chance += stage.shut * self.clips.get(clip, "tracks", slice(None))[:, BLINK].numpy()
        if not stage.temporal:
            return rng.choice(total, stage.frames, p=chance / chance.sum())
        chance = sliding_window_view(chance, stage.frames).max(1)[self.config.temporal.motion_frames :]
        first = self.config.temporal.motion_frames + int(rng.choice(len(chance), p=chance / chance.sum()))
        return np.arange(first, first + stage.frames)

    def _boxes(self, clip: int, frames: np.ndarray) -> Tensor:
        """Boxes [n, 4] whose union is the face region."""
        if not self.stage.as_asked:
            return self.clips.get(clip, "boxes", frames)
        boxes = self.clips.get(clip, "boxes", slice(None))
        return torch.cat([boxes[:, :2].amin(0), boxes[:, 2:].amax(0)])[None]

    def _portrait(self, clip: int, rng: np.random.Generator) -> Portrait:
        """Another picture of the identity.

        It is a frame of the clip (the paper), at rest where clips tell, or a portrait elsewhere in the frame.
        """
        if self.clips.has("portraits") and rng.random() < self.stage.elsewhere:
            return Portrait("portraits", int(rng.integers(4)))
        if self.clips.has("tracks"):
            frames = at_rest(self.clips.get(clip, "tracks", slice(None)).numpy())[:RESTING]
        else:
            frames = np.arange(self.clips.frames(clip))
        return Portrait("latents", int(rng.choice(frames)))

    def _further(self, clip: int, frames: np.ndarray, portrait: Portrait) -> dict[str, Tensor]:
        """What another task wants of a row besides."""
        return {}

    def _motion(self, clip: int, first: int, rng: np.random.Generator) -> Tensor:
        count = self.config.temporal.motion_frames
        if rng.random() < self.stage.drop_motion:
            return self.zero_latents.expand(count, -1, -1, -1)
        latents = self.clips.get(clip, "latents", np.arange(first - count, first))
        level = float(rng.uniform(0, self.stage.motion_noise))
        return latents + level * torch.from_numpy(rng.standard_normal(latents.shape).astype(np.float32))

    def _mask(self, boxes: Tensor, rng: np.random.Generator) -> Tensor:
        """Union of the head boxes (paper, sec. 3.3), up to 8 % wider than exact; sometimes the whole picture."""
        size, channels = self.clips.size, self.config.face_locator.inputs
        if rng.random() < 0.05:
            return torch.ones(1, channels, size, size)
        mask = box_mask(boxes, size, size, expand=1 + float(rng.uniform(0, 0.08)))
        return mask.expand(-1, channels, -1, -1)

    def _places(self, clip: int, frames: np.ndarray) -> Tensor | None:
        """Where the mouth and, in clips that know them, both eyes are, [F, 1 or 3, 2] in latent cells."""
        cells = self.zero_latents.shape[-1]
        if self.clips.has("landmarks"):
            return places_of(self.clips.get(clip, "landmarks", frames), self.clips.size, cells)
        if self.stage.lip_weight:
            return self.clips.get(clip, "mouth", frames)[:, None] * cells / self.clips.size
        return None

    def _weight(self, places: Tensor | None, frames: int) -> Tensor:
        """1, and more near mouth and eyes, [F, 1, h, w]."""
        size = self.zero_latents.shape[-1]
        weight = torch.ones(frames, 1, size, size)
        extras = (self.stage.lip_weight, self.stage.eye_weight, self.stage.eye_weight)
        for place, extra, deviation in zip(() if places is None else places.unbind(1), extras, NEAR, strict=False):
            if extra:
                weight += extra * near(place, size, deviation * size)[:, None]
        return weight

    def features(self, rows: list[dict[str, Tensor]]) -> list[Features]:
        """Run the encoders once for the whole batch and hand out each row's part."""
        encoders, count = self.model.encoders, self.config.temporal.motion_frames
        pictures = torch.cat([row["reference"] for row in rows])
        with_motion = self.stage.temporal and count > 0
        motion = torch.cat([row["motion"] for row in rows]) if with_motion else pictures[:0]
        pictures = torch.cat([pictures, motion])
        context = encoders.encode_context(None)  # clips hold no face embedding: the tokens of none
        tokens = encoders.reference_net(pictures, None if context is None else context.expand(len(pictures), -1, -1))
        faces = encoders.face_locator(torch.cat([row["mask"] for row in rows]))
        features = []
        for index, row in enumerate(rows):
            start = len(rows) + index * count
            features.append(
                Features(
                    reference=None if "no_reference" in row else {k: v[index : index + 1] for k, v in tokens.items()},
                    motion={k: v[start : start + count] for k, v in tokens.items()} if with_motion else None,
                    audio=self._heard(row),
                    context=context,
                    face=faces[index : index + 1],
                    speed=encoders.encode_speed(row["speed"]) if "speed" in row else None,
                    turns=row.get("turns"),
                )
            )
        return features

    def _heard(self, row: dict[str, Tensor]) -> Tensor | None:
        """Audio tokens of a row, which tell the truth if it has that."""
        if "windows" not in row:
            return None
        tokens = self.model.encoders.encode_audio(row["windows"])
        if self.telling is None or "tells" not in row:
            return tokens
        count = self.config.audio.tokens
        return torch.cat([self.telling.telling(tokens[:, :count], row["tells"]), tokens[:, count:]], dim=1)


def windows_around(sounds: Sounds, clip: int, frames: np.ndarray, window: int) -> Tensor:
    """Windows of K = `window` audio states around some frames of a clip, [F, K, layers, C]."""
    return neighbours(sounds.get(clip, "states", slice(None)), window // 2, window // 2)[frames]


def begun(rng: np.random.Generator) -> tuple[int, int]:
    """A number of steps from noise to picture, and how many of them are done: one at least, not all."""
    steps = int(rng.integers(OWN_STEPS[0], OWN_STEPS[1] + 1))
    return steps, int(rng.integers(1, steps))


def spread_timesteps(seed: int, rows: int, pure_noise: float) -> list[int]:
    """Timesteps of a batch: uniform over many batches, and far from each other within one, over all processes.

    A batch has a handful of clips only, and the loss depends on the timestep more than on the clip: drawn
    independently they would be most of the gradient's noise. Seeds of one batch differ between processes in their
    last 64 values (`Loop`). A share of `pure_noise` is at 999, where sampling starts.
    """
    begin = np.random.default_rng(seed // 64).random()
    places = (begin + GOLDEN * (seed % 64 * rows + np.arange(rows))) % 1
    noise = (places - pure_noise) / (1 - pure_noise) * TRAIN_STEPS
    return [TRAIN_STEPS - 1 if at < 0 else min(int(at), TRAIN_STEPS - 1) for at in noise]
