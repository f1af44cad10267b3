"""What the host is told about memory is what the networks take; they are freed and moved as it wants."""

import dataclasses
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from live_bytes import LiveBytes
from stock import Studio

from emo_core.backend import Backend
from emo_core.config import EmoConfig
from emo_core.models.backbone import Backbone
from emo_core.models.emo import Encoders
from emo_core.modules.conditions import Features

FULL = EmoConfig()
"""The paper's widths, those of Stable Diffusion 1.5."""


def fused(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attention as GPUs compute it, without a matrix of scores; on meta tensors PyTorch would make one."""
    return q.new_empty(q.shape[0], q.shape[2], q.shape[1] * v.shape[3])


META = Backend(attention=fused, dtype=torch.float16, device="meta")


def close(told: float, used: float) -> None:
    assert used * 0.7 <= told <= used * 1.3, f"{told / 2**20:.1f} MiB are told, {used / 2**20:.1f} MiB are used"


def tokens(backbone: Backbone, pictures: int, side: int) -> dict[str, torch.Tensor]:
    """ReferenceNet tokens of pictures of side x side latents, by block path."""
    channels, layers = FULL.unet.channels, FULL.unet.layers_per_block
    last = len(channels) - 1
    levels = {f"down_blocks.{level}.attentions.{i}": level for level in range(last + 1) for i in range(layers)}
    levels |= {f"up_blocks.{i}.attentions.{j}": last - i for i in range(last + 1) for j in range(layers + 1)}
    levels["mid_block.attentions.0"] = last
    shapes = {path: (pictures, (side >> level) ** 2, channels[level]) for path, level in levels.items()}
    return {path: torch.empty(shape, dtype=META.dtype, device="meta") for path, shape in shapes.items()}


@pytest.fixture(scope="module")
def full_backbone() -> Backbone:
    return Backbone(FULL, backend=META)


@pytest.mark.parametrize(("rows", "frames", "motion", "side"), [(2, 12, 4, 64), (3, 12, 0, 32), (1, 4, 4, 64)])
def test_the_full_size_backbone_takes_what_is_told(
    ours: Any, full_backbone: Backbone, rows: int, frames: int, motion: int, side: int
) -> None:
    empty = {"dtype": META.dtype, "device": "meta"}
    with LiveBytes() as counted:
        features = Features(
            reference=tokens(full_backbone, 1, side),
            motion=tokens(full_backbone, motion, side) if motion else None,
            audio=torch.empty(frames, FULL.audio.tokens, FULL.audio.token_width, **empty),
            speed=torch.empty(frames, FULL.speed.width if FULL.speed else 0, **empty),
            face=torch.empty(1, 4, side, side, **empty),
        )
        copies = [dataclasses.replace(features, reference=tokens(full_backbone, 1, side)) for _ in range(rows)]
        if motion:
            copies = [dataclasses.replace(row, motion=tokens(full_backbone, motion, side)) for row in copies]
        full_backbone(torch.empty(rows * frames, 4, side, side, **empty), torch.zeros(rows, device="meta"), copies)
    shape = (rows * frames, 4, side, side)
    told = ours["nodes.host.memory"].backbone_bytes(FULL.unet, shape, [motion] * rows, META.dtype)
    close(told, counted.peak)


def test_the_encoders_take_what_is_told(ours: Any) -> None:
    memory, encoders = ours["nodes.host.memory"], Encoders(FULL, backend=META)

    def used(network: Any, *shape: int) -> int:
        with LiveBytes() as counted:
            network(torch.empty(shape, dtype=META.dtype, device="meta"))
        return counted.peak

    told = memory.reference_bytes(FULL.unet, (4, 4, 64, 64), META.dtype)
    close(told, used(encoders.reference_net, 4, 4, 64, 64))
    close(memory.face_bytes(FULL, 512, 512, META.dtype), used(encoders.face_locator, 1, 1, 512, 512))
    audio = FULL.audio
    told = memory.projection_bytes(audio, 256, META.dtype)
    close(told, used(encoders.audio_projection, 256, audio.window, audio.layers, audio.width))


@pytest.fixture(scope="module")
def studio(ours: Any, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(ours, tmp_path_factory.mktemp("studio") / "random.safetensors")


@pytest.mark.parametrize("weight", [1.5, 1.0])
def test_sampling_takes_what_the_model_tells(studio: Studio, weight: float) -> None:
    """A small network in the real host, from the conditionings to the latents."""
    guider = studio.node("CFGGuider", model=studio.model, positive=studio.full, negative=studio.none, cfg=weight)
    latent = studio.latent["samples"]
    sampler = studio.node("KSamplerSelect", sampler_name="euler")
    with LiveBytes() as counted:
        guider.sample(torch.randn(latent.shape), latent, sampler, torch.tensor([1.0, 0.5, 0.0]), seed=1)
    conds = [[studio.config.temporal.motion_frames]] * (2 if weight != 1 else 1)
    shape = [len(conds) * latent.shape[0], *latent.shape[1:]]
    close(studio.model.model.memory_required(shape, {"emo": conds}), counted.peak)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's way of keeping memory")
@pytest.mark.parametrize("fails", [False, True])
def test_what_the_c_library_keeps_free_goes_back_to_the_system(comfyui: Path, fails: bool) -> None:
    """In a process of its own: here other tests have left holes in the heap."""
    program = [sys.executable, str(Path(__file__).with_name("heap_run.py")), str(comfyui)]
    program += ["fails"] if fails else []
    grown = subprocess.run(program, check=True, capture_output=True, text=True, timeout=120).stdout
    kept, left = (int(number) for number in grown.split()[-2:])
    assert kept > 200e6
    assert left < 60e6
