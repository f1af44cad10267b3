"""Our networks answer like those in diffusers, with random weights."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from emo_core.backend import Backend
from emo_core.config import (
    AudioConfig,
    EmoConfig,
    FaceLocatorConfig,
    ReferenceConfig,
    TemporalConfig,
    UNetConfig,
    VaeConfig,
)
from emo_core.models.backbone import Backbone
from emo_core.models.vae import AutoencoderKL
from emo_core.modules.conditions import Batch, Features
from emo_core.modules.temporal import MotionModule

diffusers = pytest.importorskip("diffusers")

CONFIG = EmoConfig(
    unet=UNetConfig(channels=(16, 32, 32, 32), heads=4, groups=8),
    reference=ReferenceConfig(mode="concat", tap="before_self_attention"),
    audio=AudioConfig(site="attn2", token_width=24),
    temporal=TemporalConfig(levels=(False,) * 4, heads=4, motion_frames=0),
    face_locator=FaceLocatorConfig(target="conv_in"),
    speed=None,
)


def shake(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter a random value, also those that begin as zeros or ones."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        scale = 0.3 if parameter.ndim > 1 else 0.1
        noise = (
            torch.randn(parameter.shape, generator=generator) * scale / max(1, parameter[0].numel()) ** 0.5
        )
        parameter.data.copy_(noise + (parameter.data.mean() > 0.5))


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_the_backbone_without_its_additions_is_stable_diffusion() -> None:
    theirs = diffusers.UNet2DConditionModel(
        sample_size=16,
        block_out_channels=CONFIG.unet.channels,
        layers_per_block=CONFIG.unet.layers_per_block,
        attention_head_dim=CONFIG.unet.heads,
        cross_attention_dim=24,
        norm_num_groups=CONFIG.unet.groups,
    ).eval()
    shake(theirs)
    ours = Backbone(CONFIG, backend=Backend()).eval()
    temporal = {key: value for key, value in ours.state_dict().items() if "motion_modules" in key}
    silenced = {
        key: torch.zeros_like(value) if "proj_out" in key else value for key, value in temporal.items()
    }
    ours.load_state_dict({**theirs.state_dict(), **silenced})
    latents, text = noise(2, 4, 16, 24), noise(2, 7, 24, seed=2)
    timesteps = torch.tensor([999.0, 20.0])
    expected = theirs(latents, timesteps, text).sample
    rows = [Features(audio=row[None]) for row in text]
    torch.testing.assert_close(ours(latents, timesteps, rows), expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_a_temporal_module_is_that_of_animatediff() -> None:
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    theirs = AnimateDiffTransformer3D(
        num_attention_heads=4,
        attention_head_dim=8,
        in_channels=32,
        norm_num_groups=8,
        positional_embeddings="sinusoidal",
        num_positional_embeddings=32,
    ).eval()
    shake(theirs)
    names = {
        "attn1": "attention_blocks.0",
        "attn2": "attention_blocks.1",
        "norm1": "norms.0",
        "norm2": "norms.1",
    }
    names |= {"norm3": "ff_norm"}
    state = {}
    for key, value in theirs.state_dict().items():
        parts = [names.get(part, part) for part in key.split(".")]
        if "pos_embed" not in parts:
            state["temporal_transformer." + ".".join(parts)] = value
    module = MotionModule(32, 8, TemporalConfig(heads=4, positions=32), None, backend=Backend()).eval()
    table = theirs.transformer_blocks[0].pos_embed.pe
    state |= {key: table for key in module.state_dict() if key.endswith(".pe")}
    module.load_state_dict(state)
    # diffusers norms a clip as a whole and AnimateDiff each frame: the same where frames are each other's shuffles
    first = noise(32, 15)
    x = torch.stack(
        [first[:, torch.randperm(15, generator=torch.Generator().manual_seed(f))] for f in range(6)]
    )
    x = x.unflatten(2, (3, 5))
    expected = theirs(x, num_frames=6)
    ours = module(x, Batch([Features()], 6), "down_blocks.0.attentions.0")
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_vae_is_that_of_diffusers() -> None:
    config = VaeConfig(channels=(8, 8, 16, 16), layers_per_block=1, groups=4)
    theirs = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=config.channels,
        layers_per_block=config.layers_per_block,
        norm_num_groups=config.groups,
        latent_channels=4,
    ).eval()
    shake(theirs)
    ours = AutoencoderKL(config, backend=Backend()).eval()
    ours.load_state_dict(theirs.state_dict())
    picture = noise(2, 3, 40, 56).clamp(-1, 1)
    posterior = theirs.encode(picture).latent_dist
    mean, log_variance = ours.moments(picture)
    torch.testing.assert_close(mean, posterior.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(log_variance, posterior.logvar, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.encode(picture), posterior.mean * 0.18215, rtol=1e-4, atol=1e-5)
    decoded = theirs.decode(posterior.mean).sample
    torch.testing.assert_close(ours.decode(posterior.mean * 0.18215), decoded, rtol=1e-4, atol=1e-5)


def test_attention_heads_count_and_are_not_a_width() -> None:
    other = dataclasses.replace(CONFIG, unet=dataclasses.replace(CONFIG.unet, heads=2))
    ours = Backbone(other, backend=Backend(device="meta"))
    assert ours.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn1").heads == 2
