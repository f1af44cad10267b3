"""The Stable Diffusion 1.5 skeleton that ReferenceNet and backbone share, with diffusers' names."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..backend import Backend
from ..config import UNetConfig
from ..modules.conditions import Batch
from ..modules.deep import OUTER
from ..modules.embeddings import TimestepEmbedding
from ..modules.resnet import Downsample, ResnetBlock, Upsample

Site = Callable[[int, int, str], dict[str, nn.Module]]
"""(width, level, block path) -> the modules that follow a resnet there, by the name of their list."""


class _Block(nn.Module):
    """Resnets with what follows each of them: attentions, audio_modules, motion_modules."""

    def __init__(self, path: str, level: int) -> None:
        super().__init__()
        self.path, self.level = path, level
        self.resnets = nn.ModuleList()

    def add_layer(self, resnet: nn.Module, extras: dict[str, nn.Module]) -> None:
        """Append one resnet and its followers."""
        self.resnets.append(resnet)
        self.add_followers(extras)

    def add_followers(self, extras: dict[str, nn.Module]) -> None:
        """Append what follows the newest layer."""
        for name, module in extras.items():
            if not hasattr(self, name):
                self.add_module(name, nn.ModuleList())
            getattr(self, name).append(module)

    def layer_path(self, index: int) -> str:
        """The name of layer `index` among the net's, for features and hooks."""
        return f"{self.path}.attentions.{index}"

    def follow(self, x: Tensor, batch: Batch, index: int) -> Tensor:
        """Run the followers of layer `index`: spatial, then audio, then temporal."""
        path = self.layer_path(index)
        for name, place in (("attentions", path), ("audio_modules", self.level), ("motion_modules", path)):
            if hasattr(self, name):
                x = getattr(self, name)[index](x, batch, place)
        return x


class DownBlock(_Block):
    """One level on the way down."""

    downsamplers: nn.ModuleList  # absent in the last block

    def forward(
        self, x: Tensor, time: Tensor, batch: Batch, layers: slice = slice(None)
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the output [R*F, C', H', W'] and the skips of this level.

        Some `layers` only are those of a pass whose deep layers rest, or come after them.
        """
        skips = []
        for index in range(len(self.resnets))[layers]:
            x = self.follow(self.resnets[index](x, time), batch, index)
            x, skip = batch.hooks.down(x, self.layer_path(index))
            skips.append(skip)
        if layers.stop is None and hasattr(self, "downsamplers"):
            x, skip = batch.hooks.down(self.downsamplers[0](x), f"{self.path}.downsamplers.0")
            skips.append(skip)
        return x, skips


class MidBlock(_Block):
    """The bottom: resnet, followers, resnet."""

    def forward(self, x: Tensor, time: Tensor, batch: Batch) -> Tensor:
        """Map [R*F, C, H, W] to the same shape."""
        return self.resnets[1](self.follow(self.resnets[0](x, time), batch, 0), time)


class UpBlock(_Block):
    """One level on the way up, joined with the skips of the way down."""

    upsamplers: nn.ModuleList  # absent in the last block

    def forward(
        self, x: Tensor, time: Tensor, batch: Batch, skips: list[Tensor], layers: slice = slice(None)
    ) -> Tensor:
        """Consume the last skips, with some `layers` only or all; the upsampler grows to the size of the next one."""
        for index in range(len(self.resnets))[layers]:
            resnet = self.resnets[index]
            x = resnet(torch.cat(batch.hooks.up(x, skips.pop(), self.layer_path(index)), dim=1), time)
            x = self.follow(x, batch, index)
        if layers.stop is None and hasattr(self, "upsamplers"):
            x = self.upsamplers[0](x, (skips[-1].shape[-2], skips[-1].shape[-1]))
        return x


class UNet(nn.Module):
    """Convolution in, levels down, middle, levels up; the ends differ between the two nets."""

    def __init__(self, config: UNetConfig, followers: Site, *, backend: Backend) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.conv_in = backend.conv2d(config.latent_channels, channels[0], 3)
        self.time_embedding = TimestepEmbedding(channels[0], 4 * channels[0], backend=backend)
        self.down_blocks = nn.ModuleList(
            [self._down(level, followers, backend=backend) for level in range(len(channels))]
        )
        self.mid_block = self._mid(followers, backend=backend)
        self.up_blocks = nn.ModuleList(
            [self._up(index, followers, backend=backend) for index in range(len(channels))]
        )

    def _resnet(self, inputs: int, outputs: int, backend: Backend) -> ResnetBlock:
        return ResnetBlock(inputs, outputs, 4 * self.config.channels[0], self.config.groups, backend=backend)

    def _down(self, level: int, followers: Site, *, backend: Backend) -> DownBlock:
        channels = self.config.channels
        block = DownBlock(f"down_blocks.{level}", level)
        for layer in range(self.config.layers_per_block):
            inputs = channels[max(level - 1, 0)] if layer == 0 else channels[level]
            site = followers(channels[level], level, f"{block.path}.attentions.{layer}")
            block.add_layer(self._resnet(inputs, channels[level], backend), site)
        if level < len(channels) - 1:
            block.downsamplers = nn.ModuleList([Downsample(channels[level], backend=backend)])
        return block

    def _mid(self, followers: Site, *, backend: Backend) -> MidBlock:
        width, level = self.config.channels[-1], len(self.config.channels) - 1
        block = MidBlock("mid_block", level)
        for _ in range(2):
            block.resnets.append(self._resnet(width, width, backend))
        block.add_followers(followers(width, level, "mid_block.attentions.0"))
        return block

    def _up(self, index: int, followers: Site, *, backend: Backend) -> UpBlock:
        channels = self.config.channels
        level = len(channels) - 1 - index
        width, below, above = (
            channels[level],
            channels[min(level + 1, len(channels) - 1)],
            channels[max(level - 1, 0)],
        )
        block = UpBlock(f"up_blocks.{index}", level)
        layers = self.config.layers_per_block + 1
        for layer in range(layers):
            inputs = below if layer == 0 else width
            skip = above if layer == layers - 1 else width
            site = followers(width, level, f"{block.path}.attentions.{layer}")
            block.add_layer(self._resnet(inputs + skip, width, backend), site)
        if level > 0:
            block.upsamplers = nn.ModuleList([Upsample(width, backend=backend)])
        return block

    def run(self, x: Tensor, time: Tensor, batch: Batch) -> Tensor:
        """Everything between the first convolution and the output head, on x [R*F, C, H, W]."""
        x, skip = batch.hooks.down(x, "conv_in")
        x, skips = self.down_blocks[0](x, time, batch, slice(OUTER - 1))
        skips.insert(0, skip)
        reused = None if batch.deep is None else batch.deep.reused(x.device)
        x = self._deep(x, time, batch, skips) if reused is None else reused
        if reused is not None:
            self._pass_over(batch)
        elif batch.deep is not None:
            batch.deep.keep(x)
        return self.up_blocks[-1](x, time, batch, skips, slice(-OUTER, None))

    def _deep(self, x: Tensor, time: Tensor, batch: Batch, skips: list[Tensor]) -> Tensor:
        """All but the outer layers; of the skips those of the outer layers are left."""
        x, more = self.down_blocks[0](x, time, batch, slice(OUTER - 1, None))
        skips += more
        for block in self.down_blocks[1:]:
            x, more = block(x, time, batch)
            skips += more
        x = batch.hooks.middle(self.mid_block(x, time, batch))
        for block in self.up_blocks[:-1]:
            x = block(x, time, batch, skips)
        return self.up_blocks[-1](x, time, batch, skips, slice(-OUTER))

    def _pass_over(self, batch: Batch) -> None:
        """Tell the hooks which layers on the way up do not run."""
        *inner, last = (block for block in self.up_blocks if isinstance(block, UpBlock))
        paths = [block.layer_path(index) for block in inner for index in range(len(block.resnets))]
        paths += [last.layer_path(index) for index in range(len(last.resnets))[:-OUTER]]
        for path in paths:
            batch.hooks.passed_over(path)
