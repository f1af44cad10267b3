"""The host's patches do to our network what they do to its own UNet with the same weights."""

import dataclasses
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from stock import LIKE_SD
from support import Pack

from emo_core.config import AudioConfig, ReferenceConfig, UNetConfig

pytestmark = pytest.mark.host

TEXT = 24  # width of the context tokens
UNET: UNetConfig = LIKE_SD.unet
PLAIN = dataclasses.replace(
    LIKE_SD,
    reference=ReferenceConfig(mode="concat"),
    audio=AudioConfig(encoder="mel_conv", tokens=5, token_width=TEXT, site="attn2"),
    speed=None,
)
"""Without portrait, motion modules and speed, and with sound in the place of text, ours is Stable Diffusion's UNet."""
HOSTS_CONFIG: dict[str, Any] = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": UNET.channels[0],
    "channel_mult": [1, 2, 4],
    "num_res_blocks": [1, 1, 1],
    "num_heads": UNET.heads,
    "num_head_channels": -1,
    "use_spatial_transformer": True,
    "transformer_depth": [1, 1, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 0, 0],
    "context_dim": TEXT,
    "use_linear_in_transformer": False,
    "dtype": torch.float32,
}
FRAMES, ROWS = 3, 2
Predict = Callable[..., torch.Tensor]


@pytest.fixture(scope="module")
def both(pack: ModuleType) -> tuple[Predict, Predict]:
    """Predictions of the host's UNet and of ours with its weights, for one clip and its negative."""
    ours, ops = Pack(pack), importlib.import_module("comfy.ops")
    unet = importlib.import_module("comfy.ldm.modules.diffusionmodules.openaimodel").UNetModel
    names = importlib.import_module("comfy.utils").unet_to_diffusers(HOSTS_CONFIG)
    theirs = unet(**HOSTS_CONFIG, device="cpu", operations=ops.disable_weight_init).eval()
    generator = torch.Generator().manual_seed(0)
    for name, parameter in theirs.named_parameters():
        spread = 0.1 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
        noise = torch.randn(parameter.shape, generator=generator) * spread
        parameter.data = noise + (parameter.ndim == 1 and name.endswith("weight"))  # norms near 1
    backend = ours["emo_core.backend"].Backend()
    config = ours["emo_core.config"].EmoConfig.from_dict(PLAIN.to_dict())
    backbone = ours["emo_core.models.backbone"].Backbone(config, backend=backend).eval()
    weights = theirs.state_dict()
    known = {key: weights[name] for key, name in names.items() if name in weights}
    left = backbone.load_state_dict(known, strict=False)
    assert not left.unexpected_keys
    assert all("motion_modules" in key for key in left.missing_keys)

    x = torch.randn(ROWS * FRAMES, 4, 16, 16, generator=generator)
    sound = torch.randn(ROWS * FRAMES, 5, TEXT, generator=generator)
    time = torch.full((ROWS * FRAMES,), 400.0)
    features = [ours["emo_core.modules.conditions"].Features(audio=sound[i * 3 : i * 3 + 3]) for i in range(ROWS)]
    hooks = ours["nodes.host.hooks"]

    def host(options: dict[str, Any], control: Any = None) -> torch.Tensor:
        return theirs(x, time, context=sound, control=control, transformer_options=options)

    def emo(options: dict[str, Any], control: Any = None) -> torch.Tensor:
        patches = hooks.HostHooks(config.unet, hooks.stock_places(config.unet), x, control, options)
        return backbone(x, time[:ROWS], features, temporal=False, hooks=patches)

    return host, emo


def options(**patches: Any) -> dict[str, Any]:
    """What the host hands to a network with two chunks, negative first."""
    replaced = patches.pop("patches_replace", {})
    return {"patches": patches, "patches_replace": replaced, "cond_or_uncond": [1, 0], "sigmas": torch.ones(1)}


def merge(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Half the queries, and other keys for the negative chunk only, at one block."""
    if extra["block"] != ("input", 3):
        return q, k, v
    negative = q.shape[0] // len(extra["cond_or_uncond"])
    k = k.clone()
    k[:negative] *= 1 + extra["block_index"] + extra["n_heads"] + extra["dim_head"]
    return q[:, ::2], k, v.flip(-1)


def unmerge(out: torch.Tensor, extra: dict[str, Any]) -> torch.Tensor:
    return out.repeat_interleave(2, 1) if extra["block"] == ("input", 3) else out * 1.1


def values_only(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra: dict[str, Any]) -> torch.Tensor:
    return v if v.shape[1] == q.shape[1] else v.mean(1, keepdim=True).expand_as(q)


def seen(x: torch.Tensor, extra: dict[str, Any]) -> torch.Tensor:
    """A change that depends on everything a block patch is told."""
    kind, number = extra["block"]
    return x * (1 + 0.1 * number + 0.01 * len(kind) + 0.001 * extra["transformer_index"]) + extra["original_shape"][0]


CASES = {
    "nothing": {},
    "attn1_patch": {"attn1_patch": [merge], "attn1_output_patch": [unmerge]},
    "attn2_patch": {"attn2_patch": [merge], "attn2_output_patch": [unmerge]},
    "attn1_replace": {"patches_replace": {"attn1": {("middle", 0): values_only, ("output", 2, 0): values_only}}},
    "attn2_replace": {"patches_replace": {"attn2": {("input", 1): values_only, ("output", 4): values_only}}},
    "input_block_patch": {"input_block_patch": [seen]},
    "after_skip": {"input_block_patch_after_skip": [seen]},
    "output_block_patch": {"output_block_patch": [lambda h, skip, extra: (seen(h, extra), skip.flip(1))]},
}


@torch.inference_mode()
@pytest.mark.parametrize("patches", CASES.values(), ids=CASES)
def test_a_patch_does_what_it_does_to_the_hosts_unet(both: tuple[Predict, Predict], patches: dict[str, Any]) -> None:
    host, emo = both
    expected = host(options(**patches))
    torch.testing.assert_close(emo(options(**patches)), expected, atol=1e-3, rtol=1e-3)
    assert not patches or not torch.allclose(expected, host(options()), atol=1e-2)


def residuals(kinds: str) -> dict[str, list[torch.Tensor]]:
    """What a ControlNet or T2I-Adapter answers, in the host's order."""
    generator = torch.Generator().manual_seed(1)
    sides = [(32, 16), (32, 16), (32, 8), (64, 8), (64, 4), (128, 4)]
    made = [torch.randn(ROWS * FRAMES, width, side, side, generator=generator) for width, side in sides]
    return {"middle": [made[-1].clone()], "output": made} if kinds == "controlnet" else {"input": made[::-1]}


@torch.inference_mode()
@pytest.mark.parametrize("kinds", ["controlnet", "adapter"])
def test_residuals_land_where_the_host_adds_them(both: tuple[Predict, Predict], kinds: str) -> None:
    host, emo = both
    expected = host(options(), residuals(kinds))
    torch.testing.assert_close(emo(options(), residuals(kinds)), expected, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(expected, host(options()), atol=1e-2)


@torch.inference_mode()
def test_a_controlnet_of_other_widths_is_named(both: tuple[Predict, Predict]) -> None:
    with pytest.raises(ValueError, match="made for a network of other widths"):
        both[1](options(), {"middle": [torch.zeros(6, 64, 4, 4)]})


@torch.inference_mode()
def test_a_patch_for_another_kind_of_network_is_named(both: tuple[Predict, Predict]) -> None:
    with pytest.raises(ValueError, match="double_block of this MODEL"):
        both[1](options(double_block=[seen]))
    with pytest.raises(ValueError, match="dit of this MODEL"):
        both[1](options(patches_replace={"dit": {}}))
