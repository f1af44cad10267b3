"""How lively: head speed from music, separate strengths, lips only."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..emo_core.face.mouth import AREAS
from .convert import sound_from_audio
from .steering import lips_only, music_speeds, strengths_of
from .types import (
    EmoEncoders,
    EmoFaceRegion,
    EmoReference,
    EmoStrengths,
    EncodersValue,
    FaceRegionValue,
    ReferenceValue,
)


def strength(name: str, hint: str) -> io.Float.Input:
    """A factor of a path of the network."""
    return io.Float.Input(name, default=1.0, min=0.0, max=3.0, step=0.05, tooltip=hint)


class SpeedFromMusic(io.ComfyNode):
    """The head moves with the beat."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_SpeedFromMusic",
            display_name="EMO Head Speed from Music",
            category="EMO/conditioning",
            description="Lets the head follow the music: fast where notes or syllables begin, calm between them. "
            "Needs librosa.",
            inputs=[
                io.Audio.Input("audio", tooltip="The music, or the drums alone if you have them apart."),
                io.Int.Input(
                    "frames",
                    default=1,
                    min=1,
                    max=10_000_000,
                    tooltip="Frames of the video, from EMO Encode Audio.",
                ),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frames per second, from EMO Encode Audio.",
                ),
                io.Float.Input(
                    "calm",
                    default=0.2,
                    min=0.0,
                    max=2.4,
                    step=0.05,
                    tooltip="Degrees per frame where nothing begins. More keeps the head moving, 0 lets it rest.",
                ),
                io.Float.Input(
                    "lively",
                    default=1.2,
                    min=0.0,
                    max=2.4,
                    step=0.05,
                    tooltip="Degrees per frame at the strongest onsets. More nods harder.",
                ),
                io.Float.Input(
                    "smooth",
                    default=0.4,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    tooltip="Seconds over which the curve is evened out. More sways with the phrase, less nods with "
                    "every beat.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    display_name="speeds",
                    is_output_list=True,
                    tooltip="Degrees per frame for each frame, for the speeds of EMO Encode Head Speed.",
                ),
                io.String.Output(
                    display_name="curve", tooltip="The same as text, to look at or to change by hand."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, audio: Any, frames: int, fps: float, calm: float, lively: float, smooth: float
    ) -> io.NodeOutput:
        return io.NodeOutput(*music_speeds(sound_from_audio(audio), frames, fps, calm, lively, smooth))


class Strengths(io.ComfyNode):
    """More or less of each way in which sound and portrait reach the face."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_Strengths",
            display_name="EMO Strengths",
            category="EMO/conditioning",
            description="Factors for how strongly the sound moves head, face and lips, and how strongly the "
            "portrait holds. 1 is as trained.",
            inputs=[
                EmoEncoders.Input(
                    "encoders", tooltip="The encoders of Load EMO Model: which factors it has."
                ),
                strength("pose", "Head and background (Hallo). More sways more, 0 keeps the head still."),
                strength(
                    "expression", "Cheeks, eyes, brows (Hallo). More is livelier, 0 leaves the lips alone."
                ),
                strength("lips", "Lips (Hallo). More opens the mouth wider, 0 hardly moves it."),
                strength("audio", "All of what the sound does. More exaggerates, 0 ignores the sound."),
                strength(
                    "reference", "The portrait (V-Express). More holds looks and pose, less lets them drift."
                ),
            ],
            outputs=[EmoStrengths.Output(display_name="strengths", tooltip="For EMO Condition.")],
        )

    @classmethod
    def execute(
        cls,
        encoders: EncodersValue,
        pose: float,
        expression: float,
        lips: float,
        audio: float,
        reference: float,
    ) -> io.NodeOutput:
        return io.NodeOutput(strengths_of(encoders.config, pose, expression, lips, audio, reference))


class LipsOnly(io.ComfyNode):
    """The still preset: everything but the mouth stays the portrait."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_LipsOnly",
            display_name="EMO Lips Only",
            category="EMO/conditioning",
            description="Only the lips or the lower face move, everything else stays the portrait, or an existing "
            "video that gets another voice. Put it between EMO Condition and EMO Sampler.",
            inputs=[
                io.Latent.Input("latent", tooltip="The latent of EMO Condition: how many frames."),
                io.Vae.Input("vae", tooltip="The VAE of Load EMO Model."),
                EmoReference.Input("reference", tooltip="The portrait that stays, from EMO Encode Portrait."),
                EmoFaceRegion.Input(
                    "face_region", optional=True, tooltip="Where the face is; without it the middle."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Exactly what may move, painted in the mask editor. Takes the place of area.",
                ),
                io.Combo.Input(
                    "area",
                    options=list(AREAS),
                    default="lower face",
                    tooltip="What may move. lips is the calmest and may cut the chin, face moves eyes and brows too.",
                ),
                io.Image.Input(
                    "video",
                    optional=True,
                    tooltip="Frames of a video that stays instead of the portrait, at the sound's fps. It is cut to "
                    "the sound; a shorter one goes back and forth.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="The portrait or the video in every frame, with a mask of what may move.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        latent: dict[str, Any],
        vae: Any,
        reference: ReferenceValue,
        area: str,
        face_region: FaceRegionValue | None = None,
        mask: Tensor | None = None,
        video: Tensor | None = None,
    ) -> io.NodeOutput:
        return io.NodeOutput(lips_only(latent, vae, reference, area, face_region, mask, video))
