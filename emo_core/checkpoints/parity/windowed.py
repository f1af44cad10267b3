"""EchoMimic and V-Express: one forward pass, and sampling in overlapping windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...audio.rules import two_per_frame_windows
from ...backend import Backend
from ...diffusion.guidance import guide
from ...diffusion.long_video import Window, plan_windows, shifted
from ...diffusion.samplers import sample_windows
from ...diffusion.schedule import Schedule
from ...face.keypoints import keypoint_pictures
from ...models.backbone import Backbone
from ...models.emo import Encoders
from ...models.guidance_rows import guidance_rows
from ...modules.conditions import Features
from ..files import read_tensors
from ..load import Checkpoint, build_backbone, build_encoders, open_checkpoint
from .check import (
    EXACT,
    FORWARD,
    ROUNDED_FORWARD,
    SAMPLING,
    STORED_IN_FP16,
    Check,
    Tensors,
    block_path,
    compare,
    expected_below,
    frames_first,
    frames_last,
    given_network,
    given_schedule,
    read_config,
    run_with_probes,
)

NOTHING = Features()


@dataclasses.dataclass(frozen=True)
class Case:
    """The networks and settings of one case."""

    folder: Path
    config: dict[str, Any]
    checkpoint: Checkpoint
    encoders: Encoders
    backbone: Backbone

    def features(self, latents: Tensor, audio: Tensor, face: Tensor) -> Features:
        """What the row with conditions sees: reference latents [1, 4, h, w], tokens [F, T, D], face features."""
        return Features(reference=self.encoders.reference_net(latents), audio=audio, face=face)

    def tensors(self, name: str) -> Tensors:
        """The tensors of one of the case's files."""
        return read_tensors(self.folder / f"{name}.safetensors")


def check_echomimic(folder: Path) -> Iterator[Check]:
    """Every expected tensor of an EchoMimic case."""
    config = read_config(folder)
    case = _open(folder, config, config["sampling"])
    yield from _echomimic_forward(case, case.tensors("forward"))
    values = case.tensors("sampling")
    audio = values["in.audio"][0]
    face = case.encoders.face_locator(values["in.face_mask"][:, :, 0])
    features = case.features(values["in.ref_latents"], audio[: values["in.noise"].shape[2]], face)
    sampling = config["sampling"]
    for prefix, steps, scale in (
        ("out.", sampling["steps"], sampling["guidance_scale"]),
        ("out.acc_", sampling["acc_steps"], sampling["acc_guidance_scale"]),
    ):
        yield from _sampling(case, values, features, prefix, f"{prefix}final_latents", steps, scale)
    listed = sampling.get("windows_per_step", [])
    yield from _windows(case, listed, sampling["video_length"])


def check_v_express(folder: Path) -> Iterator[Check]:
    """Every expected tensor of a V-Express case."""
    config = read_config(folder)
    projection = config["audio_projection"]
    heads = {"perceiver_heads": projection["heads"], "perceiver_head_width": projection["dim_head"]}
    # factors come with the features, since the case has several
    neutral = {"audio": {**heads, "gain": 1.0}, "reference": {"gain": 1.0}}
    case = _open(folder, config, config["sampling"], neutral)
    values = case.tensors("sampling")
    pictures = torch.from_numpy(np.load(folder / "kps_images.npz")["kps_images"])
    drawn = keypoint_pictures(values["in.kps_points"], *pictures.shape[1:3])
    yield compare("kps_images", (drawn * 255).round().permute(0, 2, 3, 1), pictures, EXACT)
    yield from _v_express_forward(case, case.tensors("forward"), drawn)
    frames = values["in.noise"].shape[2]
    states = values["in.wav2vec_last_hidden_state"][0][:, None]
    windows = two_per_frame_windows(states, frames, case.checkpoint.config.audio.window).all()
    tokens = case.encoders.audio_projection(windows)
    yield compare("sampling out.audio_windows", windows[:, :, 0], values["out.audio_windows"], FORWARD)
    yield compare("sampling out.audio_projection", tokens, values["out.audio_projection"], FORWARD)
    sampling = config["sampling"]
    features = case.features(values["in.ref_latents"], tokens, case.encoders.face_locator(drawn[:frames]))
    features = _with_gains(features, sampling)
    steps = sampling["steps"]
    scale = sampling["guidance_scale"]
    yield from _sampling(case, values, features, "out.", "out.final_latents", steps, scale)
    yield from _sampling(case, values, features, "out.nocfg_", "out.nocfg_final_latents", steps, 1.0)
    yield from _windows(case, [sampling["windows"]], sampling["video_length"])


def _open(folder: Path, config: dict[str, Any], sampling: dict[str, Any], more: Any = None) -> Case:
    given = given_network(config["denoising_unet"], config["denoising_unet"]["motion_module_kwargs"])
    given["temporal"]["clip_frames"] = sampling["context_frames"]
    given["long_video"] = {"overlap": sampling["context_overlap"]}
    given["schedule"] = given_schedule(config["scheduler"])
    checkpoint = open_checkpoint(folder, given={**given, **(more or {})}, dtype=torch.float32)
    backend = Backend()
    return Case(
        folder, config, checkpoint, build_encoders(checkpoint, backend), build_backbone(checkpoint, backend)
    )


def _echomimic_forward(case: Case, values: Tensors) -> Iterator[Check]:
    face = case.encoders.face_locator(values["in.face_mask"][:, :, 0])
    yield compare("forward out.face_feature", face, values["out.face_feature"][:, :, 0], FORWARD)
    features = case.features(values["in.ref_latents"], values["in.audio"][0], face)
    yield from _forward(case, values, features)
    yield from _prediction(case, values, [features], "out.noise_pred_nocfg", FORWARD)
    rounded = {path: tokens.half().float() for path, tokens in (features.reference or {}).items()}
    features = dataclasses.replace(features, reference=rounded)
    yield from _prediction(case, values, [NOTHING, features], "out.noise_pred_bank_fp16", ROUNDED_FORWARD)


def _v_express_forward(case: Case, values: Tensors, pictures: Tensor) -> Iterator[Check]:
    face = case.encoders.face_locator(pictures[: values["in.latents"].shape[2]])
    yield compare("forward out.kps_feature", frames_last(face), values["out.kps_feature"], FORWARD)
    plain = case.features(values["in.ref_latents"], values["in.audio"][0], face)
    features = _with_gains(plain, case.config["forward"])
    without = _with_gains(NOTHING, case.config["forward"])
    yield from _forward(case, values, features, without)
    yield from _prediction(case, values, [features], "out.noise_pred_nocfg", FORWARD)
    yield from _prediction(case, values, [NOTHING, plain], "out.noise_pred_weights_1", FORWARD)


def _with_gains(features: Features, weights: dict[str, float]) -> Features:
    return dataclasses.replace(
        features,
        reference_gain=weights["reference_attention_weight"],
        audio_gain=weights["audio_attention_weight"],
    )


def _forward(case: Case, values: Tensors, features: Features, without: Features = NOTHING) -> Iterator[Check]:
    """Reference tokens, the guided pair's prediction, and the modules on the way."""
    for name, expected in expected_below(values, "out.bank."):
        ours = (features.reference or {})[block_path(name)]
        yield compare(f"forward out.bank.{name}", ours, expected, FORWARD)
    probes = dict(expected_below(values, "out.probe."))
    latents = frames_first(values["in.latents"])
    rows = [without, features]
    prediction, seen = run_with_probes(case.backbone, latents, values["in.t"], rows, list(probes))
    yield compare("forward out.noise_pred", prediction, values["out.noise_pred"], FORWARD)
    for name, expected in probes.items():
        yield compare(f"forward out.probe.{name}", seen[name], expected, STORED_IN_FP16)


def _prediction(
    case: Case, values: Tensors, rows: list[Features], name: str, limit: float
) -> Iterator[Check]:
    latents = frames_first(values["in.latents"])
    prediction, _ = run_with_probes(case.backbone, latents, values["in.t"], rows, [])
    yield compare(f"forward {name}", prediction, values[name], limit)


def _sampling(
    case: Case, values: Tensors, features: Features, prefix: str, final: str, steps: int, scale: float
) -> Iterator[Check]:
    """All steps of sampling in windows that the case has kept."""
    both = guidance_rows(case.checkpoint.config, features)
    noise = frames_first(values["in.noise"])
    frames = noise.shape[0]
    config = case.checkpoint.config
    windows = plan_windows(frames, config.temporal.clip_frames, config.long_video)

    def predict(x: Tensor, timestep: int, window: Window) -> Tensor:
        rows = [row.at(window) for row in ((both.none, both.full) if scale > 1 else (both.full,))]
        times = torch.full((len(rows),), float(timestep))
        prediction = case.backbone(torch.cat([x] * len(rows)), times, rows).unflatten(0, (len(rows), -1))
        return guide(prediction[0], prediction[1], scale) if scale > 1 else prediction[0]

    taken: list[Tensor] = []
    sample_windows(
        Schedule.create(config.schedule),
        noise,
        steps,
        predict,
        lambda step: shifted(windows, step, frames, config.long_video),
        lambda _, x: taken.append(x),
    )
    for step, x in enumerate(taken):
        name = f"{prefix}step{step}"
        if name in values:
            yield compare(f"sampling {name}", frames_last(x), values[name], SAMPLING)
    yield compare(f"sampling {final}", frames_last(taken[-1]), values[final], SAMPLING)


def _windows(case: Case, listed: list[Any], frames: int) -> Iterator[Check]:
    """The frame numbers of every window."""
    config = case.checkpoint.config
    ours = plan_windows(frames, config.temporal.clip_frames, config.long_video)
    for step, expected in enumerate(listed):
        moved = shifted(ours, step, frames, config.long_video)
        yield compare(f"sampling windows of step {step}", torch.tensor(moved), torch.tensor(expected), EXACT)
