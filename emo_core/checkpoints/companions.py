"""The VAE and the audio encoders that published families share: where they are, and their key tables."""

from __future__ import annotations

from .family import Companion, Licence
from .keymap import KeyMap

SD_VAE = Companion(
    name="sd-vae-ft-mse",
    title="Stable Diffusion VAE (ft-mse)",
    repo="stabilityai/sd-vae-ft-mse",
    hub_path="diffusion_pytorch_model.safetensors",
    gigabytes=0.33,
    licence=Licence(code="MIT", weights="MIT", commercial=True),
    patterns=(
        "sd-vae-ft-mse/diffusion_pytorch_model.*",
        "sd-vae-ft-mse.*",
        "vae-ft-mse-840000-ema-pruned.*",
        "vae-ft-mse*.*",
    ),
    host_folder="vae",
)

WAV2VEC2_BASE = Companion(
    name="wav2vec2-base-960h",
    title="wav2vec 2.0 base, 960 h",
    repo="facebook/wav2vec2-base-960h",
    hub_path="model.safetensors",
    gigabytes=0.38,
    licence=Licence(code="Apache-2.0", weights="Apache-2.0", commercial=True),
    patterns=(
        "wav2vec2-base-960h/model.safetensors",
        "wav2vec2-base-960h/pytorch_model.*",
        "wav2vec2-base-960h*.*",
        "wav2vec2_base_960h*.*",
    ),
    host_folder="audio_encoders",
)

WHISPER_TINY = Companion(
    name="whisper-tiny",
    title="Whisper tiny",
    repo="BadToBest/EchoMimic",
    hub_path="audio_processor/whisper_tiny.pt",
    gigabytes=0.15,
    licence=Licence(code="MIT", weights="MIT", commercial=True),
    patterns=(
        "audio_processor/whisper_tiny.*",
        "whisper_tiny.*",
        "whisper-tiny/model.safetensors",
        "whisper-tiny/pytorch_model.*",
        "whisper-tiny*.*",
        "tiny.pt",
    ),
    host_folder="audio_encoders",
)

VAE_KEYS = KeyMap(
    {
        # diffusers before 0.15 named the middle attention's layers after what they do
        "{part}.mid_block.attentions.0.query.{name}": "{part}.mid_block.attentions.0.to_q.{name}",
        "{part}.mid_block.attentions.0.key.{name}": "{part}.mid_block.attentions.0.to_k.{name}",
        "{part}.mid_block.attentions.0.value.{name}": "{part}.mid_block.attentions.0.to_v.{name}",
        "{part}.mid_block.attentions.0.proj_attn.{name}": "{part}.mid_block.attentions.0.to_out.0.{name}",
        # Stable Diffusion's own names, as in the files users already have for ComfyUI
        "{part}.mid.block_1.{name}": "{part}.mid_block.resnets.0.{name}",
        "{part}.mid.block_2.{name}": "{part}.mid_block.resnets.1.{name}",
        "{part}.mid.attn_1.norm.{name}": "{part}.mid_block.attentions.0.group_norm.{name}",
        "{part}.mid.attn_1.q.{name}": "{part}.mid_block.attentions.0.to_q.{name}",
        "{part}.mid.attn_1.k.{name}": "{part}.mid_block.attentions.0.to_k.{name}",
        "{part}.mid.attn_1.v.{name}": "{part}.mid_block.attentions.0.to_v.{name}",
        "{part}.mid.attn_1.proj_out.{name}": "{part}.mid_block.attentions.0.to_out.0.{name}",
        "{part}.norm_out.{name}": "{part}.conv_norm_out.{name}",
        "{part}.down.{i}.block.{i}.nin_shortcut.{name}": (
            "{part}.down_blocks.{i}.resnets.{i}.conv_shortcut.{name}"
        ),
        "{part}.down.{i}.block.{i}.{name}": "{part}.down_blocks.{i}.resnets.{i}.{name}",
        "{part}.down.{i}.downsample.{name}": "{part}.down_blocks.{i}.downsamplers.0.{name}",
        # there, up.0 is the finest level; in diffusers it is the last
        "{part}.up.0.block.{i}.nin_shortcut.{name}": "{part}.up_blocks.3.resnets.{i}.conv_shortcut.{name}",
        "{part}.up.0.block.{i}.{name}": "{part}.up_blocks.3.resnets.{i}.{name}",
        "{part}.up.1.block.{i}.nin_shortcut.{name}": "{part}.up_blocks.2.resnets.{i}.conv_shortcut.{name}",
        "{part}.up.1.block.{i}.{name}": "{part}.up_blocks.2.resnets.{i}.{name}",
        "{part}.up.1.upsample.{name}": "{part}.up_blocks.2.upsamplers.0.{name}",
        "{part}.up.2.block.{i}.{name}": "{part}.up_blocks.1.resnets.{i}.{name}",
        "{part}.up.2.upsample.{name}": "{part}.up_blocks.1.upsamplers.0.{name}",
        "{part}.up.3.block.{i}.{name}": "{part}.up_blocks.0.resnets.{i}.{name}",
        "{part}.up.3.upsample.{name}": "{part}.up_blocks.0.upsamplers.0.{name}",
        "encoder.{name}": "encoder.{name}",
        "decoder.{name}": "decoder.{name}",
        "quant_conv.{name}": "quant_conv.{name}",
        "post_quant_conv.{name}": "post_quant_conv.{name}",
        # training left-overs in some files
        "loss.{name}": None,
        "model_ema.{name}": None,
    }
)

WAV2VEC2_KEYS = KeyMap(
    {
        # the position convolution's length and direction have newer names too
        "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original0": (
            "encoder.pos_conv_embed.conv.weight_g"
        ),
        "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original1": (
            "encoder.pos_conv_embed.conv.weight_v"
        ),
        "encoder.pos_conv_embed.conv.parametrizations.weight.original0": (
            "encoder.pos_conv_embed.conv.weight_g"
        ),
        "encoder.pos_conv_embed.conv.parametrizations.weight.original1": (
            "encoder.pos_conv_embed.conv.weight_v"
        ),
        "wav2vec2.masked_spec_embed": None,
        "masked_spec_embed": None,
        "wav2vec2.{name}": "{name}",
        "encoder.{name}": "encoder.{name}",
        "feature_extractor.{name}": "feature_extractor.{name}",
        "feature_projection.{name}": "feature_projection.{name}",
        # heads of the models it was trained in
        "lm_head.{name}": None,
        "quantizer.{name}": None,
        "project_q.{name}": None,
        "project_hid.{name}": None,
    }
)

WHISPER_KEYS = KeyMap(
    {
        # OpenAI's names become transformers' names
        "encoder.positional_embedding": "embed_positions.weight",
        "encoder.blocks.{i}.attn.query.{name}": "layers.{i}.self_attn.q_proj.{name}",
        "encoder.blocks.{i}.attn.key.{name}": "layers.{i}.self_attn.k_proj.{name}",
        "encoder.blocks.{i}.attn.value.{name}": "layers.{i}.self_attn.v_proj.{name}",
        "encoder.blocks.{i}.attn.out.{name}": "layers.{i}.self_attn.out_proj.{name}",
        "encoder.blocks.{i}.attn_ln.{name}": "layers.{i}.self_attn_layer_norm.{name}",
        "encoder.blocks.{i}.mlp.0.{name}": "layers.{i}.fc1.{name}",
        "encoder.blocks.{i}.mlp.2.{name}": "layers.{i}.fc2.{name}",
        "encoder.blocks.{i}.mlp_ln.{name}": "layers.{i}.final_layer_norm.{name}",
        # the last norm belongs to the way to text
        "encoder.ln_post.{name}": None,
        "encoder.layer_norm.{name}": None,
        "model.encoder.layer_norm.{name}": None,
        "decoder.{name}": None,
        "model.decoder.{name}": None,
        "proj_out.{name}": None,
        "model.encoder.{name}": "{name}",
        "encoder.{name}": "{name}",
    }
)
