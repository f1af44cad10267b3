"""AutoencoderKL with diffusers' names: pictures to latents and back (Stable Diffusion's, or a narrower one)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, silu

from ..backend import Backend
from ..config import VaeConfig
from ..modules.attention import Attention
from ..modules.resnet import ResnetBlock


class _Downsample(nn.Module):
    def __init__(self, channels: int, *, backend: Backend) -> None:
        super().__init__()
        self.conv = backend.layers.Conv2d(
            channels, channels, 3, stride=2, padding=0, dtype=backend.dtype, device=backend.device
        )

    def forward(self, x: Tensor) -> Tensor:
        """Halve the size; the padding is on the right and below only, as in Stable Diffusion."""
        return self.conv(pad(x, (0, 1, 0, 1)))


class _Upsample(nn.Module):
    def __init__(self, channels: int, *, backend: Backend) -> None:
        super().__init__()
        self.conv = backend.conv2d(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(interpolate(x, scale_factor=2.0, mode="nearest"))


class _Level(nn.Module):
    """Resnets, then perhaps a change of size."""

    def __init__(self, inputs: int, outputs: int, layers: int, groups: int, backend: Backend) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock(inputs if i == 0 else outputs, outputs, None, groups, eps=1e-6, backend=backend)
            for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        for name in ("downsamplers", "upsamplers"):
            if hasattr(self, name):
                x = getattr(self, name)[0](x)
        return x


class _MidAttention(Attention):
    """One head over all pixels, with biases and its own norm."""

    def __init__(self, width: int, groups: int, *, backend: Backend) -> None:
        super().__init__(width, 1, backend=backend)
        self.group_norm = backend.group_norm(groups, width, 1e-6)
        self.to_q, self.to_k, self.to_v = (backend.linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        tokens = super().forward(self.group_norm(x).flatten(2).transpose(1, 2))
        return x + tokens.transpose(1, 2).reshape(x.shape)


class _Mid(nn.Module):
    def __init__(self, width: int, groups: int, *, backend: Backend) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([_MidAttention(width, groups, backend=backend)])
        self.resnets = nn.ModuleList(
            ResnetBlock(width, width, None, groups, eps=1e-6, backend=backend) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class _Encoder(nn.Module):
    def __init__(self, config: VaeConfig, *, backend: Backend) -> None:
        super().__init__()
        channels, groups = config.channels, config.groups
        self.conv_in = backend.conv2d(3, channels[0], 3)
        self.down_blocks = nn.ModuleList()
        for level, width in enumerate(channels):
            block = _Level(channels[max(level - 1, 0)], width, config.layers_per_block, groups, backend)
            if level < len(channels) - 1:
                block.downsamplers = nn.ModuleList([_Downsample(width, backend=backend)])
            self.down_blocks.append(block)
        self.mid_block = _Mid(channels[-1], groups, backend=backend)
        self.conv_norm_out = backend.group_norm(groups, channels[-1], 1e-6)
        self.conv_out = backend.conv2d(channels[-1], 2 * config.latent_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(silu(self.conv_norm_out(self.mid_block(x))))


class _Decoder(nn.Module):
    def __init__(self, config: VaeConfig, *, backend: Backend) -> None:
        super().__init__()
        channels, groups = config.channels[::-1], config.groups
        self.conv_in = backend.conv2d(config.latent_channels, channels[0], 3)
        self.mid_block = _Mid(channels[0], groups, backend=backend)
        self.up_blocks = nn.ModuleList()
        for level, width in enumerate(channels):
            block = _Level(channels[max(level - 1, 0)], width, config.layers_per_block + 1, groups, backend)
            if level < len(channels) - 1:
                block.upsamplers = nn.ModuleList([_Upsample(width, backend=backend)])
            self.up_blocks.append(block)
        self.conv_norm_out = backend.group_norm(groups, channels[-1], 1e-6)
        self.conv_out = backend.conv2d(channels[-1], 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(silu(self.conv_norm_out(x)))


class AutoencoderKL(nn.Module):
    """Pictures [N, 3, 8h, 8w] in -1..1 to latents [N, 4, h, w], scaled as the networks want them."""

    def __init__(self, config: VaeConfig, *, backend: Backend) -> None:
        super().__init__()
        self.config = config
        self.encoder = _Encoder(config, backend=backend)
        self.decoder = _Decoder(config, backend=backend)
        self.quant_conv = backend.conv2d(2 * config.latent_channels, 2 * config.latent_channels, 1)
        self.post_quant_conv = backend.conv2d(config.latent_channels, config.latent_channels, 1)

    def moments(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the unscaled posterior, each [N, 4, h, w]."""
        mean, log_variance = self.quant_conv(self.encoder(pictures)).chunk(2, dim=1)
        return mean, log_variance.clamp(-30.0, 20.0)

    def encode(self, pictures: Tensor) -> Tensor:
        """Scaled mean latents [N, 4, h, w] of pictures [N, 3, 8h, 8w] in -1..1."""
        return self.moments(pictures)[0] * self.config.scaling

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures [N, 3, 8h, 8w], about -1..1, of scaled latents [N, 4, h, w]."""
        return self.decoder(self.post_quant_conv(latents / self.config.scaling))
