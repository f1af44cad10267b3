"""Models from files."""

from __future__ import annotations

from comfy_api.latest import io

from ..emo_core.checkpoints.registry import COMPANIONS, RELEASES
from .host.folders import companion_names
from .host.loading import (
    AUTO,
    BUILT_IN_NAME,
    choices,
    load_head_finder,
    load_networks,
    open_model,
    releases,
    weight_dtypes,
)
from .types import EmoEncoders, EncodersValue


def licences() -> str:
    """One line per published model: under what terms its weights may be used."""
    lines = []
    for thing in (*RELEASES, *COMPANIONS):
        use = "commercial use allowed" if thing.licence.commercial else "NON-COMMERCIAL USE ONLY"
        note = getattr(thing, "note", "")
        lines.append(f"{thing.title}: {thing.licence.weights}, {use}." + (f" {note}" if note else ""))
    return "\n".join(["emo-tiny: Apache-2.0, commercial use allowed.", *lines])


class LoadModel(io.ComfyNode):
    """Everything of one checkpoint."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_LoadModel",
            display_name="Load EMO Model",
            category="EMO",
            description="Loads the built-in emo-tiny, or a checkpoint of the EMO family from models/emo.\n\n"
            f"Licences of the weights:\n{licences()}",
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=choices(),
                    default=BUILT_IN_NAME,
                    tooltip="emo-tiny animates drawn and rendered faces. Photographs need the files of a public "
                    "checkpoint in a folder of models/emo; choosing one that is not there tells what to do.\n"
                    f"Licences of the weights:\n{licences()}",
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=weight_dtypes(),
                    default="default",
                    tooltip="How weights are kept: default is ComfyUI's choice; fp8 halves the "
                    "memory of fp16 and costs some quality.",
                ),
                io.Combo.Input(
                    "release",
                    options=releases(),
                    default=AUTO,
                    optional=True,
                    tooltip="What a folder's files are taken for, where several fit: the accelerated EchoMimic lies "
                    "beside the standard one, Hallo2 looks like Hallo.",
                ),
                io.Combo.Input(
                    "vae_file",
                    options=[AUTO, *companion_names("vae")],
                    default=AUTO,
                    optional=True,
                    tooltip="The VAE of a public checkpoint, from models/vae; auto finds sd-vae-ft-mse by its names.",
                ),
                io.Combo.Input(
                    "audio_encoder_file",
                    options=[AUTO, *companion_names("audio_encoders")],
                    default=AUTO,
                    optional=True,
                    tooltip="What a public checkpoint hears through, from models/audio_encoders: wav2vec2-base-960h "
                    "for Hallo and V-Express, whisper-tiny for EchoMimic; auto finds them by their names.",
                ),
                io.Boolean.Input(
                    "download",
                    default=False,
                    optional=True,
                    tooltip="Fetch what is missing of the chosen public checkpoint, up to 10 GB, when this node runs. "
                    "Off: nothing is ever fetched.",
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
    def execute(
        cls,
        model_name: str,
        weight_dtype: str,
        release: str = AUTO,
        vae_file: str = AUTO,
        audio_encoder_file: str = AUTO,
        download: bool = False,
    ) -> io.NodeOutput:
        checkpoint = open_model(model_name, release, fetch=download)
        files = (vae_file, audio_encoder_file)
        model, encoders, audio_encoder, vae = load_networks(checkpoint, weight_dtype, *files)
        finder = load_head_finder(checkpoint)
        value = EncodersValue(checkpoint.config, encoders, audio_encoder, checkpoint.title, finder)
        return io.NodeOutput(model, value, vae)
