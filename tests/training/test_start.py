"""Weights to start from: Stable Diffusion and AnimateDiff in both layouts, against diffusers; speed is added."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from checkpoints.published import manifest
from safetensors.torch import save_file
from torch import Tensor

from emo_core.backend import Backend
from emo_core.config import AudioConfig, EmoConfig, FaceLocatorConfig, SpeedConfig, TemporalConfig, UNetConfig
from emo_core.models.emo import Emo
from emo_core.modules.conditions import Features
from emo_core.training.start import (
    Start,
    load_motion,
    load_stable_diffusion,
    start_config,
    start_model,
    unet_tensors,
)
from emo_core.training.start_keys import SD_UNET, SINGLE_FILE_PREFIX

diffusers = pytest.importorskip("diffusers")

CHANNELS = (16, 32, 32, 32)
CONFIG = EmoConfig(
    unet=UNetConfig(channels=CHANNELS, heads=2, groups=8),
    audio=AudioConfig(hidden=16, tokens=2, token_width=16, layers=2, width=8),
    temporal=TemporalConfig(heads=2),
    face_locator=FaceLocatorConfig(channels=(4, 4, 4, 4)),
    speed=SpeedConfig(width=16),
)


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    model = diffusers.UNet2DConditionModel(
        block_out_channels=CHANNELS, norm_num_groups=8, attention_head_dim=2, cross_attention_dim=24
    )
    return model.eval().requires_grad_(False)


def single_file(state: dict[str, Tensor], comfy: ModuleType) -> dict[str, Tensor]:
    """The same tensors under Stable Diffusion's own names, which the host knows."""
    names = comfy.utils.unet_to_diffusers(
        {
            "num_res_blocks": [2, 2, 2, 2],
            "channel_mult": [1, 2, 4, 4],
            "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
            "transformer_depth_middle": 1,
            "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
        }
    )
    return {SINGLE_FILE_PREFIX + names[key]: value for key, value in state.items()}


def test_the_backbone_begins_as_stable_diffusion_without_text(unet) -> None:
    model = Emo(CONFIG, backend=Backend())
    load_stable_diffusion(model, unet.state_dict())
    for name, parameter in unet.named_parameters():
        if ".attn2.to_out." in name:
            parameter.zero_()  # what text would add
    x, times = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(1)), torch.tensor([700.0])
    features = Features(
        reference=model.encoders.reference_net(x[:1]),
        audio=torch.randn(3, 2, 16),
        face=model.encoders.face_locator(torch.ones(1, 1, 128, 128)),
    )
    ours = model.backbone(x, times, [features], temporal=False)
    theirs = unet(x, times, torch.zeros(3, 1, 24)).sample
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_the_single_file_layout_is_the_same_network(unet, comfy: ModuleType) -> None:
    state = unet.state_dict()
    whole = single_file(state, comfy) | {
        "first_stage_model.x": torch.zeros(1),
        "alphas_cumprod": torch.zeros(1),
    }
    found = unet_tensors(whole)
    assert {key: value.data_ptr() for key, value in found.items()} == {
        key: value.data_ptr() for key, value in SD_UNET.apply(state).items()
    }


@pytest.mark.parametrize("layout", ["animatediff", "module", "diffusers", "without_middle"])
def test_every_tensor_of_animatediff_lands_in_a_temporal_module(layout: str) -> None:
    adapter = diffusers.MotionAdapter(
        block_out_channels=CHANNELS, motion_num_attention_heads=2, motion_norm_num_groups=8
    )
    state = {key: torch.randn_like(value) for key, value in adapter.state_dict().items()}
    if layout == "without_middle":
        state = {key: value for key, value in state.items() if not key.startswith("mid_block.")}
    model = Emo(CONFIG, backend=Backend())
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    if layout in ("animatediff", "module"):
        load_motion(model, state)
        source = model.backbone.state_dict()
        state = {key: value.clone() for key, value in source.items() if ".motion_modules." in key}
        state = {
            ("module." if layout == "module" else "") + k: v for k, v in state.items() if ".speed." not in k
        }
        model.backbone.load_state_dict(before)
    load_motion(model, state)
    after = model.backbone.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    wanted = {
        key for key in before if ".motion_modules." in key and ".speed." not in key and ".pe" not in key
    }
    if layout == "without_middle":
        assert not after["mid_block.motion_modules.0.temporal_transformer.proj_out.weight"].any()
        wanted = {k for k in wanted if not k.startswith("mid_block") or ".proj_out." in k}
    assert changed == wanted


def test_the_published_animatediff_fits_at_full_size() -> None:
    shapes = manifest("hallo_animatediff_mm_sd_v15_v2")
    with torch.device("meta"):
        model = Emo(EmoConfig(), backend=Backend(device="meta"))
        load_motion(model, {key: torch.empty(shape) for key, shape in shapes.items()})


def test_a_family_gets_speed_layers_that_change_nothing_yet(tmp_path: Path) -> None:
    """As Hallo and the others come: a checkpoint without speed layers."""
    plain = dataclasses.replace(CONFIG, speed=None)
    torch.manual_seed(0)
    emo = Emo(plain, backend=Backend())
    state = {name.removeprefix("encoders."): value for name, value in emo.state_dict().items()}
    save_file(state, tmp_path / "plain.safetensors", {"emo_config": json.dumps(plain.to_dict())})
    start = Start(checkpoint=str(tmp_path / "plain.safetensors"))
    config = start_config(start, EmoConfig(speed=SpeedConfig(width=24)))
    assert config == dataclasses.replace(plain, speed=SpeedConfig(width=24))
    model = start_model(start, config, seed=0)
    x = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    times, speed = torch.tensor([500.0]), model.encoders.encode_speed(torch.full((4,), 0.7))
    with torch.no_grad():
        before = emo.backbone(x, times, [Features()])
        torch.testing.assert_close(model.backbone(x, times, [Features(speed=speed)]), before)
