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

from ...emo_core.animate import window
from ...emo_core.media.clip_store import Clips, ClipsInMemory
from ...emo_core.media.disk import read_rows
from .managed import to_host
from .model import PAYLOAD, EmoBaseModel, encode_motion
from .progress import ClipProgress
from .spill import open_clips
from .windows import with_hints

Conditioning = list[list[Any]]
SAMPLERS: list[str] = comfy.samplers.KSampler.SAMPLERS
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


class SeededNoise:
    """Standard normal noise from a seed, made on the CPU and so the same everywhere (the host's NOISE)."""

    def __init__(self, seed: int, clamp: float | None = None) -> None:
        self.seed = seed
        self.clamp = clamp

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        """Noise of the latent's shape, clamped where the family was trained so."""
        noise: Tensor = comfy.sample.prepare_noise(  # pyright: ignore[reportAssignmentType]
            latent["samples"], self.seed
        )
        return noise if self.clamp is None else noise.clamp(-self.clamp, self.clamp)


def make_noise(handle: comfy.model_patcher.ModelPatcher, seed: int) -> SeededNoise:
    """The noise a MODEL of ours starts from."""
    return SeededNoise(seed, emo_model(handle).emo_config.schedule.noise_clamp)


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
    samples = latent["samples"]
    model = emo_model(guider.model_patcher)
    clip_frames = clip_frames or model.emo_config.temporal.clip_frames
    starts = range(0, samples.shape[0], clip_frames)
    progress = ClipProgress(samples.shape[0], len(starts), sigmas.shape[-1] - 1, model.latent_format, node_id)
    clips: Clips = ClipsInMemory()
    if keep_clips and len(starts) > 1:
        clips = open_clips(guider, noise, sampler, sigmas, latent, clip_frames)
        progress.resume(clips.frames // clip_frames)
    for index, start in enumerate(starts):
        if start < clips.frames:
            continue
        progress.start_clip(index)
        part = part_of_latent(latent, start, start + clip_frames)
        seeded = copy.copy(noise)
        seeded.seed = noise.seed + index
        with clip_conds(guider, start, start + clip_frames, clips):
            clip = guider.sample(
                seeded.generate_noise(part),
                part["samples"],
                sampler,
                sigmas,
                denoise_mask=part.get("noise_mask"),
                callback=progress,
                disable_pbar=True,
                seed=seeded.seed,
            )
        clips.append(to_host(clip))
    return {**latent, "samples": clips.finish()}


@contextmanager
def clip_conds(guider: comfy.samplers.CFGGuider, start: int, stop: int, finished: Clips) -> Iterator[None]:
    """The guider with the conditions of frames `start` to `stop`; restored, since guiders are cached."""
    original = guider.original_conds
    try:
        guider.original_conds = {
            name: [clip_cond(cond, start, stop, finished, guider.model_patcher) for cond in conds]
            for name, conds in original.items()
        }
        yield
    finally:
        guider.original_conds = original


def clip_cond(
    cond: dict[str, Any],
    start: int,
    stop: int,
    finished: Clips,
    patcher: comfy.model_patcher.ModelPatcher,
) -> dict[str, Any]:
    """One condition for one clip."""
    features = cond.get(PAYLOAD)
    if features is None:
        raise ValueError("the guider got a CONDITIONING without EMO features: connect EMO Condition to it")
    clip = window(features, start, stop)
    if finished.frames and features.motion is not None:
        tail = finished.tail(emo_model(patcher).emo_config.temporal.motion_frames)
        clip = dataclasses.replace(clip, motion=encode_motion(patcher, [tail], features))
    return {**with_hints(cond, range(start, stop)), PAYLOAD: clip}


def part_of_latent(latent: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
    """Frames `start` to `stop` of a LATENT with its mask."""
    part = {**latent, "samples": read_rows(latent["samples"], start, stop)}
    mask = latent.get("noise_mask")
    if mask is not None and mask.shape[0] == latent["samples"].shape[0]:
        part["noise_mask"] = mask[start:stop]
    return part


def emo_model(patcher: comfy.model_patcher.ModelPatcher) -> EmoBaseModel:
    """Our model inside a MODEL; ValueError if it is another kind."""
    if not isinstance(patcher.model, EmoBaseModel):
        kind = type(patcher.model).__name__
        raise ValueError(f"this MODEL is a {kind}, an EMO model is wanted: connect Load EMO Model")
    return patcher.model
