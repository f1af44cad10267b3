"""Clips made while training: the averaged weights animate held-out clips, shown above the true frames."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..audio.features import neighbours
from ..face.boxes import box_mask
from ..media.video import Sound, VideoWriter
from ..models.vae import AutoencoderKL
from .emo_task import STATES_PER_FRAME, Clips, EmoTask
from .plan_file import Validation

LOG = logging.getLogger(__name__)
CHAINED = 4
"""Clips in a row, the later ones behind motion frames of the model's own."""
RATE = 16000
"""Of the clips' sound, Hz."""

Row = dict[str, Tensor]


class Validator:
    """Writes step-NNNNNN/KK.mp4 (with sound) and .png (made above true) into a folder."""

    def __init__(
        self,
        task: EmoTask,
        clips: Clips,
        vae: AutoencoderKL,
        plan: Validation,
        folder: Path,
        *,
        sound: Callable[[int], np.ndarray],
        writes: bool,
    ) -> None:
        """clips: those held out, with their sound [S] at 16 kHz.

        writes: whether this process writes (in pieces, all must run the model).
        """
        self.task, self.clips, self.vae, self.plan, self.folder = task, clips, vae, plan, folder
        self.sound, self.writes = sound, writes

    def __call__(self, step: int) -> None:
        """Animate every held-out clip."""
        folder = self.folder / f"step-{step:06d}"
        for clip in range(min(self.plan.clips, len(self.clips))):
            made = self.generate(clip)
            if self.writes:
                self._write(folder / f"{clip:02d}.mp4", clip, made)
        LOG.info("validation clips of step %d are in %s", step, folder)

    @torch.no_grad()
    def generate(self, clip: int) -> Tensor:
        """Latents [F, 4, h, w] of a clip's first frames; the same at every call."""
        length, total = self.task.stage.frames, self.clips.frames(clip)
        if not self.task.stage.temporal:  # pictures: a few of the clip
            return self._denoise(self._row(clip, np.linspace(0, total - 1, 4).astype(int)), clip)
        count = self.task.config.temporal.motion_frames
        tail = self.task.zero_latents.expand(count, -1, -1, -1)
        made: list[Tensor] = []
        for start in range(0, min(CHAINED * length, total - length + 1), length):
            row = self._row(clip, np.arange(start, start + length))
            if count:
                row["motion"] = tail
            made.append(self._denoise(row, clip * CHAINED + len(made)).cpu())
            tail = torch.cat([tail, made[-1]])[-count:] if count else tail
        return torch.cat(made)

    def _row(self, clip: int, frames: np.ndarray) -> Row:
        """What the model gets: the first frame as portrait, the clip's region, sound and speed."""
        config, size = self.task.config, self.clips.size
        mask = box_mask(self.clips.get(clip, "boxes", slice(None)), size, size, expand=1.04)
        row = {
            "reference": self.clips.get(clip, "latents", np.array([0])),
            "mask": mask.expand(-1, config.face_locator.inputs, -1, -1),
            "like": self.clips.get(clip, "latents", frames),
        }
        if not self.task.stage.temporal:
            return row
        if self.clips.has("states") and config.audio.rows in STATES_PER_FRAME:
            reach = config.audio.window // 2
            row["windows"] = neighbours(self.clips.get(clip, "states", slice(None)), reach, reach)[frames]
        if self.task.stage.speed:
            row["speed"] = self.clips.get(clip, "speed", frames)
        return row

    def _denoise(self, row: Row, seed: int) -> Tensor:
        """DDIM with the two guidance scales of the plan; pictures without sound use the first."""
        task, plan = self.task, self.plan
        row = {name: value.to(task.device) for name, value in row.items()}
        audio_scale = plan.audio_guidance if "windows" in row else plan.guidance
        silent = {name: value for name, value in row.items() if name != "windows"}
        none = {**silent, "no_reference": torch.ones(())}
        weighted = [(audio_scale, row), (plan.guidance - audio_scale, silent), (1 - plan.guidance, none)]
        weighted = [(weight, part) for weight, part in weighted if weight]
        features = task.features([part for _, part in weighted])
        weights = torch.tensor([weight for weight, _ in weighted], device=task.device)[
            :, None, None, None, None
        ]
        noise = torch.randn(row["like"].shape, generator=torch.Generator().manual_seed(seed))
        x = task.schedule.initial_noise(noise).to(task.device)
        timesteps = task.schedule.timesteps(plan.steps)
        for index, timestep in enumerate(timesteps):
            batch = x.expand(len(weighted), *x.shape).flatten(0, 1)
            times = torch.full((len(weighted),), float(timestep), device=task.device)
            prediction = task.model.backbone(batch, times, features, temporal=task.stage.temporal)
            prediction = prediction.float().unflatten(0, (len(weighted), -1))
            x = task.schedule.ddim_step(x, (weights * prediction).sum(0), timesteps, index)
        return x

    def _write(self, path: Path, clip: int, latents: Tensor) -> None:
        made = self._pictures(latents)
        if self.task.stage.temporal:
            sound = Sound(torch.from_numpy(np.array(self.sound(clip)))[None], RATE)
            with VideoWriter(path, self.clips.fps, sound) as writer:
                writer.write(made)
            frames = np.linspace(0, len(made) - 1, 8).astype(int)
        else:
            frames = np.arange(len(made))
        total = self.clips.frames(clip)
        true = frames if self.task.stage.temporal else np.linspace(0, total - 1, 4).astype(int)
        rows = [made[frames], self._pictures(self.clips.get(clip, "latents", true))]
        sheet = torch.cat([torch.cat(list(row), dim=1) for row in rows])  # [2H, N*W, 3]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((sheet * 255).round().byte().numpy()).save(path.with_suffix(".png"))

    @torch.no_grad()
    def _pictures(self, latents: Tensor) -> Tensor:
        """[F, S, S, 3] in 0..1."""
        decoded = [self.vae.decode(part.float()) / 2 + 0.5 for part in latents.cpu().split(8)]
        return torch.cat(decoded).clamp(0, 1).movedim(1, -1)
