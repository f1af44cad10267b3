"""Clip after clip through the host's samplers; motion frames carry one into the next (paper, sec. 3.2)."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_patcher
import comfy.sample
import comfy.samplers
import torch
from torch import Tensor

from ...emo_core.config import EmoConfig
from ...emo_core.media.clip_store import Clips, ClipsInMemory
from ...emo_core.media.disk import read_rows
from . import ddim
from .managed import to_host
from .memory import advice, returned
from .model import PAYLOAD, EmoBaseModel
from .motion import START, Motion, clip_motion
from .progress import ClipProgress
from .spill import open_clips
from .windows import with_hints

Conditioning = list[list[Any]]
SAMPLERS: list[str] = [*comfy.samplers.KSampler.SAMPLERS, ddim.NAME]
SCHEDULERS: list[str] = comfy.samplers.KSampler.SCHEDULERS


def make_guider(
    handle: comfy.model_patcher.ModelPatcher,
    full: Conditioning,
    reference_only: Conditioning,
    none: Conditioning,
    scale: float,
    audio_scale: float,
) -> EmoGuider:
    """A guider for a MODEL of ours; ValueError if it is another kind."""
    emo_model(handle)
    guider = EmoGuider(handle)
    guider.set_emo(full, reference_only, none, scale, audio_scale)
    return guider


def make_sigmas(
    handle: comfy.model_patcher.ModelPatcher, scheduler: str, steps: int, denoise: float
) -> Tensor:
    """Noise levels as the stock KSampler makes them."""
    device = handle.load_device
    return comfy.samplers.KSampler(handle, steps, device, scheduler=scheduler, denoise=denoise).sigmas


def make_sampler(name: str) -> comfy.samplers.Sampler:
    """One of the host's samplers by its name."""
    return comfy.samplers.sampler_object(name)


def make_steps(
    handle: comfy.model_patcher.ModelPatcher, name: str, scheduler: str, steps: int, denoise: float
) -> tuple[comfy.samplers.Sampler, Tensor]:
    """Sampler and noise levels: the host's, or DDIM as published, which has levels of its own."""
    if name == ddim.NAME:
        return ddim.ddim_sampler(handle, steps, denoise), ddim.ddim_sigmas(handle, steps, denoise)
    return make_sampler(name), make_sigmas(handle, scheduler, steps, denoise)


class SeededNoise:
    """Standard normal noise from a seed, made on the CPU and so the same everywhere (the host's NOISE)."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        """Noise of the latent's shape."""
        return comfy.sample.prepare_noise(  # pyright: ignore[reportReturnType]
            latent["samples"], self.seed
        )


class EmoGuider(comfy.samplers.CFGGuider):
    """Guidance in two steps: from nothing to the portrait, and from the portrait to the portrait that speaks.

    Equal scales are one combined guidance, which needs two predictions a step instead of three.
    """

    def set_emo(
        self,
        full: Conditioning,
        reference_only: Conditioning,
        none: Conditioning,
        scale: float,
        audio_scale: float,
    ) -> None:
        """Choose what is predicted; a condition of weight 0 is left out."""
        self.set_cfg(scale)
        self.weights = {"positive": audio_scale, "middle": scale - audio_scale, "negative": 1.0 - scale}
        conds = {"positive": full, "middle": reference_only, "negative": none}
        self.inner_set_conds({name: cond for name, cond in conds.items() if self.weights[name]})

    def predict_noise(
        self,
        x: Tensor,
        timestep: Tensor,
        model_options: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """The weighted sum of the predictions; patches of CFG apply where there are two of them."""
        options = model_options or {}
        if "middle" not in self.conds:
            return super().predict_noise(x, timestep, options, seed)
        names = list(self.conds)
        parts = comfy.samplers.calc_cond_batch(
            self.inner_model, [self.conds[name] for name in names], x, timestep, options
        )
        weighted = [self.weights[name] * part for name, part in zip(names, parts, strict=True)]
        return torch.stack(weighted).sum(0)


@returned()
def sample_clips(
    guider: comfy.samplers.CFGGuider,
    noise: Any,
    sampler: comfy.samplers.Sampler,
    sigmas: Tensor,
    latent: dict[str, Any],
    clip_frames: int,
    node_id: str | None,
    keep_clips: bool = False,
) -> dict[str, Any]:
    """The LATENT of the whole video, `clip_frames` at a time; 0 is what the model was trained for.

    Each clip starts from noise of its own, `noise` with its seed raised by the clip's number, and sees the
    last frames of the clip before. With `keep_clips` finished clips go to disk, where a later run of the same
    finds them.
    """
    frames = latent["samples"].shape[0]
    model = emo_model(guider.model_patcher)
    clip_frames = clip_length(model.emo_config, clip_frames, frames)
    starts = range(0, frames, clip_frames)
    progress = ClipProgress(frames, len(starts), sigmas.shape[-1] - 1, model.latent_format, node_id)
    clips: Clips = ClipsInMemory()
    if keep_clips and len(starts) > 1:
        clips = open_clips(guider, noise, sampler, sigmas, latent, clip_frames)
        progress.resume(-(-clips.frames // clip_frames))
    kept = not isinstance(clips, ClipsInMemory)
    for index, start in enumerate(starts):
        if start < clips.frames:
            continue
        progress.start_clip(index)
        stop = start + clip_frames
        shown = range(start, stop if model.emo_config.long_video.full_clips else min(stop, frames))
        part = part_of_latent(latent, shown)
        seeded = copy.copy(noise)
        seeded.seed = noise.seed + index
        with advice(index, len(starts), kept=kept), clip_conds(guider, shown, clips, seeded.seed):
            clip = guider.sample(
                initial_noise(model.emo_config, seeded.generate_noise(part)),
                part["samples"],
                sampler,
                sigmas,
                denoise_mask=part.get("noise_mask"),
                callback=progress,
                disable_pbar=True,
                seed=seeded.seed,
            )
        clips.append(to_host(clip)[: frames - start])
    return {**latent, "samples": clips.finish()}


def clip_length(config: EmoConfig, wanted: int, frames: int) -> int:
    """Frames made at once: all of them where the model itself works in windows."""
    return frames if config.long_video.mode == "windows" else wanted or config.temporal.clip_frames


def initial_noise(config: EmoConfig, noise: Tensor) -> Tensor:
    """Noise as the family starts from it: some cut off what is far from the mean."""
    clamp = config.schedule.noise_clamp
    return noise if clamp is None else noise.clamp(-clamp, clamp)


@contextmanager
def clip_conds(
    guider: comfy.samplers.CFGGuider, shown: range, finished: Clips, seed: int
) -> Iterator[None]:
    """The guider with the conditions of the frames `shown`; restored, since guiders are cached."""
    original = guider.original_conds
    motion = motion_of_clip(guider, finished, seed)
    try:
        guider.original_conds = {
            name: [clip_cond(cond, shown, motion) for cond in conds] for name, conds in original.items()
        }
        yield
    finally:
        guider.original_conds = original


def motion_of_clip(guider: comfy.samplers.CFGGuider, finished: Clips, seed: int) -> Motion | None:
    """What the next clip sees of the finished ones; None if its conditions have it already."""
    for cond in (cond for conds in guider.original_conds.values() for cond in conds):
        features = cond.get(PAYLOAD)
        if features is None:
            raise ValueError(
                "the guider got a CONDITIONING without EMO features: connect EMO Condition to it"
            )
        if features.motion is not None:
            handle = guider.model_patcher
            count = emo_model(handle).emo_config.temporal.motion_frames
            tail = finished.tail(count) if finished.frames else None
            return clip_motion(handle, cond[START], tail, seed)
    return None


def clip_cond(cond: dict[str, Any], shown: range, motion: Motion | None) -> dict[str, Any]:
    """One condition for one clip."""
    features = cond[PAYLOAD].at(shown)
    if motion is not None and features.motion is not None:
        features = dataclasses.replace(features, motion=motion.of(cond[START]))
    return {**with_hints(cond, shown), PAYLOAD: features}


def part_of_latent(latent: dict[str, Any], shown: range) -> dict[str, Any]:
    """The frames `shown` of a LATENT with its mask; beyond the end the last frame is repeated."""
    samples = latent["samples"]
    part = {**latent, "samples": _rows(samples, shown)}
    mask = latent.get("noise_mask")
    if mask is not None and mask.shape[0] == samples.shape[0]:
        part["noise_mask"] = _rows(mask, shown)
    return part


def _rows(tensor: Tensor, shown: range) -> Tensor:
    rows = read_rows(tensor, shown.start, min(shown.stop, tensor.shape[0]))
    missing = len(shown) - rows.shape[0]
    return torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])]) if missing else rows


def emo_model(patcher: comfy.model_patcher.ModelPatcher) -> EmoBaseModel:
    """Our model inside a MODEL; ValueError if it is another kind."""
    if not isinstance(patcher.model, EmoBaseModel):
        kind = type(patcher.model).__name__
        raise ValueError(f"this MODEL is a {kind}, an EMO model is wanted: connect Load EMO Model")
    return patcher.model
