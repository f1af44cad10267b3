"""Hallo and Hallo2: audio, masks, one forward pass, and chains of clips with the VAE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...audio.rules import encode_windows, normalise, padding_samples, sound_frames
from ...backend import Backend
from ...diffusion.guidance import guide
from ...face.hallo_masks import (
    FACE_KERNEL,
    RegionMasks,
    blur,
    landmark_rectangle,
    locator_picture,
    region_masks,
)
from ..audio_encoders import open_audio_encoder
from ..files import read_tensors
from ..load import Checkpoint, build_backbone, build_encoders, load_vae, open_checkpoint
from .check import (
    EXACT,
    FORWARD,
    ROUNDED_FORWARD,
    Check,
    Tensors,
    block_path,
    compare,
    expected_below,
    frames_first,
    given_network,
    given_schedule,
    read_config,
    run_with_probes,
)
from .hallo_case import NAMES, Case
from .hallo_chain import Chain

FPS = 25.0


def check_hallo(folder: Path) -> Iterator[Check]:
    """Every expected tensor of a Hallo case, and the masks among its inputs."""
    config = read_config(folder)
    inputs, expected = (read_tensors(folder / f"{name}.safetensors") for name in ("inputs", "expected"))
    checkpoint = open_checkpoint(folder / "net.safetensors", given=_given(config), dtype=torch.float32)
    yield from _masks(inputs)
    windows = yield from _audio(folder, config, checkpoint, inputs, expected)
    backend = Backend()
    case = Case(
        config,
        checkpoint,
        build_encoders(checkpoint, backend),
        build_backbone(checkpoint, backend),
        load_vae(
            folder / "vae.safetensors", backend, groups=config["vae"]["norm_num_groups"], dtype=torch.float32
        ),
        inputs,
        expected,
        windows,
    )
    yield from _forward(case, windows[: case.frames])
    yield from Chain(case, "chain.", masked=False).checks()
    yield from Chain(case, "chain_hallo2.", masked=True).checks()


def _given(config: dict[str, Any]) -> dict[str, Any]:
    case, projection = config["case"], config["audioproj"]
    motion = config["unet_additional_kwargs"]["motion_module_kwargs"]
    given = given_network(config["denoising_unet"], motion)
    given["temporal"] |= {"clip_frames": case["frames"], "motion_frames": case["n_motion"]}
    given["audio"] = {"layers": projection["blocks"], "window": projection["seq_len"]}
    given["schedule"] = given_schedule(config["noise_scheduler_kwargs"])
    return given


def _masks(inputs: Tensors) -> Iterator[Check]:
    """The regions drawn from landmarks, at every stage."""
    landmarks, shape = inputs["landmarks"].numpy(), inputs["face_rect_u8"].shape
    face, lip = (landmark_rectangle(landmarks, *shape, lips=lips) for lips in (False, True))
    masks = region_masks(face, lip)
    drawn = {"face_rect_u8": face, "lip_rect_u8": lip, "face_blur_u8": blur(face, FACE_KERNEL)}
    drawn |= {"sep_full_u8": masks.full, "sep_face_u8": masks.face, "sep_lip_u8": masks.lip}
    for name, ours in drawn.items():
        yield compare(f"masks {name}", torch.from_numpy(ours), inputs[name], EXACT)
    size = inputs["face_region_u8"].shape
    region = (locator_picture(face, *size)[0, 0] * 255).round()
    yield compare("masks face_region_u8", region, inputs["face_region_u8"], EXACT)
    stored = RegionMasks(*(inputs[f"sep_{name}_u8"].numpy() for name in NAMES))
    for level, ours in enumerate(stored.levels(*size)):
        for index, name in enumerate(NAMES):
            yield compare(
                f"masks mask_{name}_{level}", ours[index : index + 1], inputs[f"mask_{name}_{level}"], EXACT
            )


def _audio(
    folder: Path, config: dict[str, Any], checkpoint: Checkpoint, inputs: Tensors, expected: Tensors
) -> Iterator[Check]:
    """The sound and its windows; returns ours."""
    heads = config["wav2vec2"]["num_attention_heads"]
    encoder = open_audio_encoder(folder / "wav2vec2.safetensors", heads=heads, dtype=torch.float32).build(
        Backend()
    )
    audio, clip = checkpoint.config.audio, checkpoint.config.temporal.clip_frames
    waveform = inputs["wav"]
    filled = sound_frames(waveform.shape[0], FPS)
    frames = -(-filled // clip) * clip
    yield compare("audio.audio_length", torch.tensor(filled), expected["audio.audio_length"], EXACT)
    sound = normalise(waveform, audio)
    sound = torch.nn.functional.pad(sound, (0, padding_samples(waveform.shape[0], frames, FPS)))
    yield compare("audio.wav_normalised_padded", sound, expected["audio.wav_normalised_padded"], FORWARD)
    windows = encode_windows(encoder, audio, waveform, frames, FPS).all()
    middle = windows[:, audio.window // 2]
    yield compare("audio.audio_emb", middle, expected["audio.audio_emb"], FORWARD)
    yield compare("audio.audio_windows", windows, expected["audio.audio_windows"], FORWARD)
    return windows


def _forward(case: Case, windows: Tensor) -> Iterator[Check]:
    inputs, expected, net = case.inputs, case.expected, case.encoders.reference_net
    context, without = case.context()
    yield compare(
        "forward.mid.image_tokens",
        torch.cat([without, context]),
        expected["forward.mid.image_tokens"],
        FORWARD,
    )
    tokens = case.encoders.audio_projection(windows)[None]
    yield compare("forward.mid.audio_tokens", tokens, expected["forward.mid.audio_tokens"], FORWARD)
    yield compare(
        "forward.mid.face_feature", case.face()[:, :, None], expected["forward.mid.face_feature"], FORWARD
    )
    yield from _bank(case)
    probes = dict(expected_below(expected, "forward.mid.den."))
    latents = frames_first(inputs["latents"])
    for suffix, rounded, limit in (("", True, ROUNDED_FORWARD), ("_bank_fp32", False, FORWARD)):
        net.half_precision_bank = rounded
        rows = case.rows(inputs["ref_latents"], windows)
        prediction, seen = run_with_probes(case.backbone, latents, inputs["timestep"], rows, list(probes))
        yield compare(f"forward.pred{suffix}", prediction, expected[f"forward.pred{suffix}"], limit)
        guided = guide(prediction[:1], prediction[1:], case.config["case"]["cfg"])
        yield compare(f"forward.guided{suffix}", guided, expected[f"forward.guided{suffix}"], limit)
        if rounded:
            for name, value in probes.items():
                yield compare(f"forward.mid.den.{name}", seen[name][:, :, :1], value, limit)
    net.half_precision_bank = True


def _bank(case: Case) -> Iterator[Check]:
    """ReferenceNet tokens before they are rounded: all pictures without, then all with conditions."""
    latents = case.inputs["ref_latents"]
    contexts = torch.cat(case.context()[::-1])
    pictures = torch.cat([latents, latents])
    case.encoders.reference_net.half_precision_bank = False
    bank = case.encoders.reference_net(pictures, contexts[torch.arange(len(pictures)) % 2])
    for name, expected in expected_below(case.expected, "forward.bank."):
        yield compare(f"forward.bank.{name}", bank[block_path(name)], expected, FORWARD)
