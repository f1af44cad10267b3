"""Key tables of the weights that training at full size starts from: Stable Diffusion 1.5 and AnimateDiff.

Both are published in two layouts: diffusers' names, and the names of the original code in a single file.
"""

from __future__ import annotations

from ..checkpoints.keymap import KeyMap

_BLOCK = "transformer_blocks.0"

SD_UNET = KeyMap(
    {
        # attention to text, which EMO does not have: its keys are of CLIP's width
        f"{{part}}.{{i}}.attentions.{{i}}.{_BLOCK}.attn2.{{name}}": None,
        f"mid_block.attentions.0.{_BLOCK}.attn2.{{name}}": None,
        "conv_in.{name}": "conv_in.{name}",
        "time_embedding.{name}": "time_embedding.{name}",
        "down_blocks.{name}": "down_blocks.{name}",
        "mid_block.{name}": "mid_block.{name}",
        "up_blocks.{name}": "up_blocks.{name}",
        "conv_norm_out.{name}": "conv_norm_out.{name}",
        "conv_out.{name}": "conv_out.{name}",
    }
)
"""diffusers' UNet2DConditionModel to `Backbone` and `ReferenceNet`."""

SINGLE_FILE_PREFIX = "model.diffusion_model."
"""Of the UNet in a whole Stable Diffusion checkpoint."""

SINGLE_FILE_BLOCKS = KeyMap(
    {
        "time_embed.0.{name}": "time_embedding.linear_1.{name}",
        "time_embed.2.{name}": "time_embedding.linear_2.{name}",
        "input_blocks.0.0.{name}": "conv_in.{name}",
        "out.0.{name}": "conv_norm_out.{name}",
        "out.2.{name}": "conv_out.{name}",
        "middle_block.0.{name}": "mid_block.resnets.0.{name}",
        "middle_block.1.{name}": "mid_block.attentions.0.{name}",
        "middle_block.2.{name}": "mid_block.resnets.1.{name}",
        # three numbers to a level: two layers and the way down
        **{
            f"input_blocks.{1 + 3 * level + layer}.{place}.{{name}}": f"down_blocks.{level}.{kind}.{layer}.{{name}}"
            for level in range(4)
            for layer in range(2)
            for place, kind in enumerate(("resnets", "attentions"))
        },
        **{
            f"input_blocks.{3 * level + 3}.0.op.{{name}}": f"down_blocks.{level}.downsamplers.0.conv.{{name}}"
            for level in range(3)
        },
        # the lowest level has no attention, so its way up comes one place earlier
        "output_blocks.2.1.conv.{name}": "up_blocks.0.upsamplers.0.conv.{name}",
        **{
            f"output_blocks.{3 * level + 2}.2.conv.{{name}}": f"up_blocks.{level}.upsamplers.0.conv.{{name}}"
            for level in (1, 2)
        },
        **{
            f"output_blocks.{3 * level + layer}.{place}.{{name}}": f"up_blocks.{level}.{kind}.{layer}.{{name}}"
            for level in range(4)
            for layer in range(3)
            for place, kind in enumerate(("resnets", "attentions"))
        },
    }
)
"""Stable Diffusion's own block numbers to diffusers' blocks."""

_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}

SINGLE_FILE_LAYERS = KeyMap(
    {
        **{
            f"{place}.resnets.{{i}}.{theirs}.{{name}}": f"{place}.resnets.{{i}}.{ours}.{{name}}"
            for place in ("{part}.{i}", "mid_block")
            for theirs, ours in _RESNET.items()
        },
        **{f"{kind}.{{name}}": f"{kind}.{{name}}" for kind in ("down_blocks", "mid_block", "up_blocks")},
        **{f"{kind}.{{name}}": f"{kind}.{{name}}" for kind in ("conv_in", "conv_norm_out", "conv_out")},
        "time_embedding.{name}": "time_embedding.{name}",
    }
)
"""And its names inside a resnet block."""

ANIMATEDIFF = KeyMap(
    {
        **{
            f"{place}.{_BLOCK}.attention_blocks.{{i}}.pos_encoder.pe": None
            for place in (
                "{part}.{i}.motion_modules.{i}.temporal_transformer",
                "mid_block.motion_modules.0.temporal_transformer",
            )
        },
        "module.{name}": "{name}",
        "down_blocks.{name}": "down_blocks.{name}",
        "mid_block.{name}": "mid_block.{name}",
        "up_blocks.{name}": "up_blocks.{name}",
    }
)
"""AnimateDiff's own motion modules (v1 to v3). The position tables are computed: v1's is shorter than ours."""

_INNER = {
    "attn1": "attention_blocks.0",
    "attn2": "attention_blocks.1",
    "norm1": "norms.0",
    "norm2": "norms.1",
    "norm3": "ff_norm",
    "ff": "ff",
}

MOTION_ADAPTER = KeyMap(
    {
        **{
            f"{place}.motion_modules.{{i}}.transformer_blocks.0.{theirs}.{{name}}": (
                f"{place}.motion_modules.{{i}}.temporal_transformer.transformer_blocks.0.{ours}.{{name}}"
            )
            for place in ("{part}.{i}", "mid_block")
            for theirs, ours in _INNER.items()
        },
        **{
            f"{place}.motion_modules.{{i}}.transformer_blocks.0.pos_embed.pe": None
            for place in ("{part}.{i}", "mid_block")
        },
        **{
            f"{place}.motion_modules.{{i}}.{{name}}": f"{place}.motion_modules.{{i}}.temporal_transformer.{{name}}"
            for place in ("{part}.{i}", "mid_block")
        },
    }
)
"""diffusers' MotionAdapter."""
