"""The host's ways of patching Stable Diffusion's UNet, as hooks of our backbone.

Patches name blocks as Stable Diffusion's first code did: ("input", 4), ("middle", 0), ("output", 7). What they are
given and what they give back is the host's contract with its own UNet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from ...emo_core.config import UNetConfig
from ...emo_core.modules.hooks import AttentionHook, Hooks

BLOCK_PATCHES = {"input_block_patch", "input_block_patch_after_skip", "output_block_patch"}
ATTENTION_PATCHES = {f"{name}{kind}" for name in ("attn1", "attn2") for kind in ("_patch", "_output_patch")}
REPLACEABLE = {"attn1", "attn2"}


@dataclass(frozen=True)
class Place:
    """One of our blocks as the host calls it."""

    block: tuple[str, int]
    level: int
    """0 is the finest."""
    transformers: int
    """How many spatial transformers come before it."""
    attends: bool
    """Whether it has one itself."""


def stock_places(config: UNetConfig) -> dict[str, Place]:
    """The host's names of all layers of a UNet, by our paths."""
    places = {"conv_in": Place(("input", 0), 0, 0, False)}
    transformers = 0
    last = len(config.channels) - 1

    def add(path: str, block: tuple[str, int], level: int, attends: bool) -> None:
        nonlocal transformers
        places[path] = Place(block, level, transformers, attends)
        transformers += attends

    for level in range(last + 1):
        for layer in range(config.layers_per_block):
            number = 1 + level * (config.layers_per_block + 1) + layer
            add(f"down_blocks.{level}.attentions.{layer}", ("input", number), level, config.attention[level])
        if level < last:
            number = (level + 1) * (config.layers_per_block + 1)
            add(f"down_blocks.{level}.downsamplers.0", ("input", number), level + 1, False)
    add("mid_block.attentions.0", ("middle", 0), last, True)
    for index in range(last + 1):
        level = last - index
        for layer in range(config.layers_per_block + 1):
            number = index * (config.layers_per_block + 1) + layer
            add(f"up_blocks.{index}.attentions.{layer}", ("output", number), level, config.attention[level])
    return places


class HostHooks(Hooks):
    """Patches and ControlNet residuals of one pass over latents x [R*F, 4, h, w]."""

    def __init__(
        self,
        config: UNetConfig,
        places: Mapping[str, Place],
        x: Tensor,
        control: Mapping[str, list[Tensor | None]] | None,
        options: Mapping[str, Any],
    ) -> None:
        self._heads, self._places, self._shape = config.heads, places, x.shape
        self._channels = config.channels
        self._patches: Mapping[str, list[Any]] = options.get("patches", {})
        self._replacements: Mapping[str, Mapping[Any, Any]] = options.get("patches_replace", {})
        refuse_unknown(self._patches, self._replacements)
        self._control = {kind: list(residuals) for kind, residuals in (control or {}).items()}
        self._options = {**options, "original_shape": list(x.shape)}

    def down(self, x: Tensor, path: str) -> tuple[Tensor, Tensor]:
        """Residuals of T2I-Adapters; patches of input blocks before and behind the skip."""
        x = self._add_control(x, "input")
        size = x.shape
        options = self._at(path)
        options["transformer_index"] += self._places[path].attends  # they run behind it
        for patch in self._patches.get("input_block_patch", ()):
            x = patch(x, options)
        skip = x
        for patch in self._patches.get("input_block_patch_after_skip", ()):
            x = patch(x, options)
        if x.shape != size:
            raise ValueError(
                "a node changes the size of the picture inside this MODEL (Kohya Deep Shrink), which the motion "
                "frames cannot follow: take that node out"
            )
        return x, skip

    def middle(self, x: Tensor) -> Tensor:
        """The ControlNet's residual of the middle block."""
        return self._add_control(x, "middle")

    def up(self, x: Tensor, skip: Tensor, path: str) -> tuple[Tensor, Tensor]:
        """The ControlNet's residual of the skip; patches such as FreeU."""
        skip = self._add_control(skip, "output")
        options = self._at(path)
        for patch in self._patches.get("output_block_patch", ()):
            x, skip = patch(x, skip, options)
        return x, skip

    def passed_over(self, path: str) -> None:
        """A ControlNet's residuals are in the order of the layers: this layer's is not used."""
        residuals = self._control.get("output")
        if residuals:
            residuals.pop()

    def attention(self, name: str, path: str, rows: Sequence[int] | None = None) -> AttentionHook | None:
        """What the host's patches do to attn1 and attn2 of a block."""
        inputs = self._patches.get(f"{name}_patch", ())
        outputs = self._patches.get(f"{name}_output_patch", ())
        kernel = self._replacement(name, self._places[path].block)
        if not (inputs or outputs or kernel):
            return None
        options = self._attention_options(path, rows)
        return AttentionHook(
            inputs=partial(_change_inputs, inputs, options) if inputs else None,
            kernel=partial(_call, kernel, options) if kernel else None,
            output=partial(_change_output, outputs, options) if outputs else None,
        )

    def _replacement(self, name: str, block: tuple[str, int]) -> Callable[..., Tensor] | None:
        found = self._replacements.get(name, {})
        return found.get((*block, 0)) or found.get(block)

    def _at(self, path: str) -> dict[str, Any]:
        """The options as a patch at this block sees them; one dict for the whole pass, as the host does."""
        self._options["block"] = self._places[path].block
        self._options["transformer_index"] = self._places[path].transformers
        return self._options

    def _attention_options(self, path: str, rows: Sequence[int] | None) -> dict[str, Any]:
        place = self._places[path]
        width = self._channels[place.level]
        height, wide = (-(-side // 2**place.level) for side in self._shape[-2:])
        options = {
            **{key: value for key, value in self._at(path).items() if not key.startswith("patches")},
            "block_index": 0,
            "n_heads": self._heads,
            "dim_head": width // self._heads,
            "attn_precision": None,
            "activations_shape": [self._shape[0], width, height, wide],
        }
        for key in ("cond_or_uncond", "uuids"):  # patches cut the batch by their length
            if rows is not None and key in options:
                options[key] = [options[key][row] for row in rows]
        return options

    def _add_control(self, x: Tensor, kind: str) -> Tensor:
        residuals = self._control.get(kind)
        residual = residuals.pop() if residuals else None
        if residual is None:
            return x
        if residual.shape != x.shape:
            raise ValueError(
                f"the ControlNet answers with {tuple(residual.shape)} where the model has {tuple(x.shape)}: it is "
                "made for a network of other widths (Stable Diffusion 1.5's fit the published models)"
            )
        return x + residual.to(x)


def refuse_unknown(patches: Mapping[str, Any], replacements: Mapping[str, Any]) -> None:
    """ValueError for patches of other kinds of networks, which would do nothing here."""
    known = BLOCK_PATCHES | ATTENTION_PATCHES
    unknown = sorted({*(set(patches) - known), *(set(replacements) - REPLACEABLE)})
    if unknown:
        raise ValueError(
            f"a node patches {', '.join(unknown)} of this MODEL, which EMO models do not have: take that node out"
        )


def _change_inputs(patches: Sequence[Any], options: dict[str, Any], *inputs: Tensor) -> Any:
    for patch in patches:
        inputs = patch(*inputs, options)
    if inputs[0].shape[0] != inputs[1].shape[0]:
        raise ValueError(
            "a node cuts the queries of this MODEL's attention into tiles and leaves the keys whole (HyperTile), "
            "which EMO models cannot do: take that node out"
        )
    return inputs


def _call(kernel: Callable[..., Tensor], options: dict[str, Any], *inputs: Tensor) -> Tensor:
    return kernel(*inputs, options)


def _change_output(patches: Sequence[Any], options: dict[str, Any], x: Tensor) -> Tensor:
    for patch in patches:
        x = patch(x, options)
    return x
