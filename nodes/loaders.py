"""Models from files."""

from __future__ import annotations

from comfy_api.latest import io

from .host.loading import BUILT_IN_NAME, choices, load_networks, open_model, weight_dtypes
from .types import EmoEncoders, EncodersValue


class LoadModel(io.ComfyNode):
    """Everything of one checkpoint."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_LoadModel",
            display_name="Load EMO Model",
            category="EMO",
            description="Loads the built-in emo-tiny, or a checkpoint of the EMO family from models/emo.",
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=choices(),
                    default=BUILT_IN_NAME,
                    tooltip="emo-tiny animates drawn and rendered faces. For photographs put the files of a "
                    "public checkpoint into a folder of models/emo.",
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=weight_dtypes(),
                    default="default",
                    tooltip="How weights are kept: default is ComfyUI's choice; fp8 halves the "
                    "memory of fp16 and costs some quality.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model", tooltip="The denoising network, for EMO Sampler or KSampler."
                ),
                EmoEncoders.Output(
                    display_name="encoders", tooltip="What reads portrait, sound, region and speed."
                ),
                io.Vae.Output(display_name="vae", tooltip="The VAE the model was trained with."),
            ],
        )

    @classmethod
    def execute(cls, model_name: str, weight_dtype: str) -> io.NodeOutput:
        checkpoint = open_model(model_name)
        model, encoders, audio_encoder, vae = load_networks(checkpoint, weight_dtype)
        value = EncodersValue(checkpoint.config, encoders, audio_encoder, checkpoint.title)
        return io.NodeOutput(model, value, vae)
