"""A config from tensor shapes: the published families at any width."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from ..config import EmoConfig, VaeConfig
from .errors import MissingKeyError
from .family import Shape

Tree = dict[str, Any]


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Tree:
    """`base` with nested `changes`; neither is altered."""
    merged = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if nested else value
    return merged


def derive_config(base: EmoConfig, shapes: Mapping[str, Shape], given: Mapping[str, Any]) -> EmoConfig:
    """`base` with the sizes that `shapes` (under our names) show, then with the `given` nested changes.

    Heads and norm groups do not show in shapes: they stay as in `base` unless given.
    """
    tree = merge(base.to_dict(), given)
    found: Tree = {
        "unet": _unet(shapes),
        "reference": {
            "at_ends": _inputs(shapes, "backbone") > _inputs(shapes, "reference_net"),
            "mover": "backbone.mover.conv_in.weight" in shapes,
            "expressions": "backbone.expressions.conv_in.weight" in shapes,
            "warp": "backbone.warp.conv_in.weight" in shapes,
        },
        "temporal": _temporal(shapes, len(tree["temporal"]["levels"])),
        "face_locator": _locator(shapes),
        "audio": _audio(tree["audio"], shapes),
    }
    if tree["context"] is not None:
        tokens, inputs = _need(shapes, "context_projection.proj.weight")
        (width,) = _need(shapes, "context_projection.norm.weight")
        found["context"] = {"inputs": inputs, "width": width, "tokens": tokens // width}
    return EmoConfig.from_dict(merge(merge(tree, found), given))


def derive_vae_config(shapes: Mapping[str, Shape], groups: int = 32) -> VaeConfig:
    """The VAE whose tensors (diffusers' names) have these shapes."""
    levels = range(_count(shapes, "encoder.down_blocks.{}.resnets.0.conv1.weight"))
    return VaeConfig(
        channels=tuple(_need(shapes, f"encoder.down_blocks.{i}.resnets.0.conv1.weight")[0] for i in levels),
        layers_per_block=_count(shapes, "encoder.down_blocks.0.resnets.{}.conv1.weight"),
        latent_channels=_need(shapes, "post_quant_conv.weight")[0],
        groups=groups,
    )


def _unet(shapes: Mapping[str, Shape]) -> Tree:
    levels = range(_count(shapes, "backbone.down_blocks.{}.resnets.0.conv1.weight"))
    return {
        "channels": tuple(_need(shapes, f"backbone.down_blocks.{i}.resnets.0.conv1.weight")[0] for i in levels),
        "attention": tuple(f"backbone.down_blocks.{i}.attentions.0.norm.weight" in shapes for i in levels),
        "layers_per_block": _count(shapes, "backbone.down_blocks.0.resnets.{}.conv1.weight"),
        "latent_channels": _inputs(shapes, "reference_net"),
    }


def _inputs(shapes: Mapping[str, Shape], net: str) -> int:
    """Channels that a net's first convolution is given."""
    return _need(shapes, f"{net}.conv_in.weight")[1]


def _temporal(shapes: Mapping[str, Shape], levels: int) -> Tree:
    norm = "backbone.down_blocks.{}.motion_modules.0.temporal_transformer.norm.weight"
    table = "transformer_blocks.0.attention_blocks.0.pos_encoder.pe"
    return {
        "levels": tuple(norm.format(level) in shapes for level in range(levels)),
        "positions": _need(shapes, f"backbone.mid_block.motion_modules.0.temporal_transformer.{table}")[1],
    }


def _locator(shapes: Mapping[str, Shape]) -> Tree:
    first, inputs = _need(shapes, "face_locator.conv_in.weight")[:2]
    blocks = _count(shapes, "face_locator.blocks.{}.weight")
    rest = (_need(shapes, f"face_locator.blocks.{i}.weight")[0] for i in range(1, blocks, 2))
    return {"inputs": inputs, "channels": (first, *rest)}


def _audio(audio: Tree, shapes: Mapping[str, Shape]) -> Tree:
    places = {
        "module": "backbone.mid_block.audio_modules.0.transformer_blocks.0.attn2_0.to_k.weight",
        "attn2": "backbone.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight",
        "after_reference": "backbone.mid_block.attentions.0.transformer_blocks.0.audio_attn.to_k.weight",
    }
    token_width = _need(shapes, places[audio["site"]])[1]
    if audio["projection"] == "none":
        return {"token_width": token_width, "width": token_width}
    if audio["projection"] == "mlp":
        hidden, inputs = _need(shapes, "audio_projection.proj1.weight")
        tokens = _need(shapes, "audio_projection.proj3.weight")[0] // token_width
        width = inputs // (audio["window"] * audio["layers"])
        return {"token_width": token_width, "hidden": hidden, "tokens": tokens, "width": width}
    window, width = _need(shapes, "audio_projection.pos_emb.weight")
    inner = _need(shapes, "audio_projection.layers.0.0.to_q.weight")[0]
    return {
        "token_width": token_width,
        "tokens": _need(shapes, "audio_projection.latents")[1],
        "window": window,
        "width": width,
        "perceiver_depth": _count(shapes, "audio_projection.layers.{}.0.to_q.weight"),
        "perceiver_heads": inner // audio["perceiver_head_width"],
    }


def _need(shapes: Mapping[str, Shape], key: str) -> Shape:
    if key not in shapes:
        raise MissingKeyError(f"the checkpoint has no tensor {key!r}: a file is incomplete or of another version")
    return shapes[key]


def _count(shapes: Mapping[str, Shape], template: str) -> int:
    """How many numbers from 0 the template's place takes."""
    return next(number for number in count() if template.format(number) not in shapes)
