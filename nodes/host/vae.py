"""Our AutoencoderKL inside the host's own VAE, so that every stock node takes it."""

from __future__ import annotations

from collections.abc import Mapping

import comfy.ops
import comfy.sd
import torch
from comfy.ldm.models.autoencoder import AutoencoderKL as HostAutoencoder
from torch import Tensor

from ...emo_core.backend import Backend
from ...emo_core.checkpoints.load import fill
from ...emo_core.config import VaeConfig
from ...emo_core.models.vae import AutoencoderKL
from .layers import host_attention
from .managed import patcher

STABLE_DIFFUSION_WIDTH, STABLE_DIFFUSION_CELL = 128, 8  # of the finest level; pixels: what the host estimates for
HOLDER = {"double_z": True, "z_channels": 4, "resolution": 8, "in_channels": 3, "out_ch": 3, "ch": 32}
HOLDER |= {"ch_mult": [1, 1, 1, 1], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0}


class UnscaledAutoencoder(AutoencoderKL):
    """Latents as the host passes them around: the scaling is the MODEL's matter."""

    def encode(self, pictures: Tensor) -> Tensor:
        """Mean latents [N, 4, h, w] of pictures [N, 3, 8h, 8w] in -1..1."""
        # the host's pictures are channels-last, where PyTorch's group norm loses digits on flat colours
        return self.moments(pictures.contiguous())[0]

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures [N, 3, 8h, 8w] of latents [N, 4, h, w]."""
        return super().decode(latents * self.config.scaling)


def build_vae(config: VaeConfig, state: Mapping[str, Tensor]) -> comfy.sd.VAE:
    """The host's VAE with our network in it; CheckpointError if a tensor is missing or does not fit.

    The host's own class knows only widths that 32 divides. So it is made around a small network of its kind,
    which sets devices and dtypes as usual, and which ours then takes the place of.
    """
    holder = {"ddconfig": HOLDER, "embed_dim": config.latent_channels}
    vae = comfy.sd.VAE(sd=HostAutoencoder(**holder).state_dict(), config={"params": holder})
    backend = Backend(comfy.ops.disable_weight_init, host_attention(), vae.vae_dtype, "meta")
    network = UnscaledAutoencoder(config, backend=backend)
    fill(network, {name: tensor.to(vae.vae_dtype) for name, tensor in state.items()}, "VAE")
    vae.first_stage_model = network  # pyright: ignore[reportAttributeAccessIssue]
    vae.patcher = patcher(network, vae.patcher.load_device, vae.patcher.offload_device)
    vae.latent_channels = config.latent_channels
    vae.size = None  # counted again when the host asks
    vae.downscale_ratio = vae.upscale_ratio = config.cell
    scale_memory(vae, config.channels[0] / STABLE_DIFFUSION_WIDTH, (config.cell / STABLE_DIFFUSION_CELL) ** 2)
    return vae


def scale_memory(vae: comfy.sd.VAE, share: float, pixels: float = 1.0) -> None:
    """Make the host's memory estimates fit a VAE whose widths are `share` of Stable Diffusion's.

    pixels: how many a latent stands for, as part of Stable Diffusion's 64.
    """
    encode, decode = vae.memory_used_encode, vae.memory_used_decode
    vae.memory_used_encode = lambda shape, dtype: share * encode(shape, dtype)
    vae.memory_used_decode = lambda shape, dtype: share * pixels * decode(shape, dtype)


def preview_matrix(vae: comfy.sd.VAE, scaling: float) -> tuple[list[list[float]], list[float]]:
    """Factors [4][3] and bias [3] that take scaled latents to rough colours in -1..1, for live previews.

    Fitted to what the decoder makes of random latents; a second or less for a narrow VAE.
    """
    latents = torch.randn(16, vae.latent_channels, 16, 16, generator=torch.Generator().manual_seed(0))
    latents = torch.nn.functional.avg_pool2d(latents, 3, stride=1, padding=1) * 3  # smooth, as pictures are
    # two at a time: sixteen need more memory than anything else does while a small model is loaded
    pictures = torch.cat([vae.decode(part) for part in (latents / scaling).split(2)])
    colours = pictures.movedim(-1, 1) * 2 - 1  # [16, 3, 128, 128]
    colours = torch.nn.functional.interpolate(colours, latents.shape[-2:], mode="area")
    inputs = latents.movedim(1, -1).reshape(-1, latents.shape[1])
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    solution = torch.linalg.lstsq(inputs, colours.movedim(1, -1).reshape(-1, 3)).solution
    return solution[:-1].tolist(), solution[-1].tolist()
