"""Hallo's and Hallo2's clips that follow each other over their decoded last frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...diffusion.guidance import guide
from ...diffusion.long_video import Clip, Window, keep_pixels
from ...diffusion.samplers import Predict, sample_chain
from ...diffusion.schedule import Schedule
from .check import CHAIN, EXACT, STORED_IN_FP16, Check, compare, expected_below, frames_first, frames_last
from .hallo_case import Case


@dataclass
class Chain:
    """One chain of a case, and what it computes under the names of the expected tensors."""

    case: Case
    name: str
    masked: bool
    """Whether motion frames lose pixels, as in Hallo2."""
    taken: dict[str, Tensor] = field(default_factory=dict)

    def checks(self) -> Iterator[Check]:
        """Sample all clips and compare everything that was kept."""
        case, expected = self.case, self.case.expected
        schedule = Schedule.create(case.checkpoint.config.schedule)
        count = case.config["case"]["steps"]
        timesteps = torch.tensor(schedule.timesteps(count))
        yield compare(f"{self.name}timesteps", timesteps, expected[f"{self.name}timesteps"], EXACT)
        steps: list[Tensor] = []
        clips = self._clips()
        chain = sample_chain(schedule, clips, count, self._start, lambda _, x: steps.append(x))
        for clip, latents in zip(clips, chain, strict=True):
            label = f"clip{clip.index + 1}."
            self.taken |= {f"{label}latents_after_step{i}": frames_last(x) for i, x in enumerate(steps)}
            self.taken[f"{label}latents_final"] = frames_last(latents)
            steps.clear()
        for key, value in expected_below(expected, self.name):
            if key != "timesteps":
                limit = STORED_IN_FP16 if value.dtype == torch.float16 else CHAIN
                yield compare(self.name + key, self.taken[key], value, limit)

    def _clips(self) -> list[Clip]:
        frames = self.case.frames
        count = sum(1 for _ in expected_below(self.case.inputs, "noise_clip"))
        return [Clip(index, index * frames, frames) for index in range(count)]

    def _start(self, clip: Clip, before: Tensor | None) -> tuple[Tensor, Predict]:
        """Noise and guided prediction of a clip that follows the latents `before`."""
        case, label = self.case, f"clip{clip.index + 1}."
        portrait = (case.inputs["source_image_u8"].permute(2, 0, 1)[None].float() / 255 - 0.5) / 0.5
        latents = case.vae.encode(torch.cat([portrait, self._motion(clip, portrait, before)]))
        rows = case.rows(latents, case.windows[clip.start : clip.stop])
        self.taken[f"{label}ref_latents"] = latents
        if rows[1].audio is not None:
            self.taken[f"{label}audio_tokens"] = rows[1].audio[None]

        def predict(x: Tensor, timestep: int, _: Window) -> Tensor:
            times = torch.full((2,), float(timestep))
            none, full = case.backbone(torch.cat([x, x]), times, rows).chunk(2)
            return guide(none, full, case.config["case"]["cfg"])

        return frames_first(case.inputs[f"noise_clip{clip.index + 1}"]), predict

    def _motion(self, clip: Clip, portrait: Tensor, before: Tensor | None) -> Tensor:
        """Motion frames [n, 3, H, W] in -1..1: the portrait at first, then decoded frames."""
        count = self.case.checkpoint.config.temporal.motion_frames
        if before is None:
            motion = portrait.expand(count, -1, -1, -1)
        else:
            last = (self.case.vae.decode(before[-count:]) / 2 + 0.5).clamp(0, 1)
            self.taken[f"clip{clip.index}.last_frames"] = last
            motion = last * 2 - 1
        if not self.masked:
            return motion
        keep = self.case.inputs[f"keep_mask_clip{clip.index + 1}"]
        return keep_pixels(motion, keep, self.case.inputs["face_region_u8"])
