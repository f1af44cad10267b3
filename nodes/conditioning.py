"""From portrait, sound, region and speed to CONDITIONING."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from .convert import audio_from_sound, embedding_from, portrait_from_image, sound_from_audio, trimmed
from .steering import heard_of
from .types import (
    AudioValue,
    EmoAudio,
    EmoEncoders,
    EmoFaceEmbedding,
    EmoFaceRegion,
    EmoLandmarks,
    EmoReference,
    EmoSpeed,
    EmoStrengths,
    EncodersValue,
    FaceRegionValue,
    ReferenceValue,
    SpeedValue,
    StrengthsValue,
)
from .values import audio_of, conditionings, reference_of, region_of, speed_of

LANDMARKS_HINT = (
    "Points of the face, from EMO Detect Face or an OpenPose node with faces: they take the place of whatever of "
    "mask, lips and key points is not given."
)
SIZE_HINT = "Side of the square video in pixels, a multiple of 8; 0 is what the model was trained for."


def size_input() -> io.Int.Input:
    """The size widget that portrait and face region share."""
    return io.Int.Input("size", default=0, min=0, max=2048, step=8, tooltip=SIZE_HINT)


class EncodeReference(io.ComfyNode):
    """The portrait through VAE and ReferenceNet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_EncodeReference",
            display_name="EMO Encode Portrait",
            category="EMO/conditioning",
            description="Reads the looks of a face from one picture. The middle square of it is used.",
            inputs=[
                EmoEncoders.Input("encoders", tooltip="The encoders of Load EMO Model."),
                io.Vae.Input("vae", tooltip="The VAE of Load EMO Model, or Stable Diffusion 1.5's."),
                io.Image.Input("image", tooltip="One picture of one face, seen from the front, RGB."),
                size_input(),
                EmoFaceEmbedding.Input(
                    "face_embedding",
                    optional=True,
                    tooltip="Who the face is, for models that want to know it (Hallo): 512 values of an insightface "
                    "recognition model. Without it the face is kept less well.",
                ),
            ],
            outputs=[
                EmoReference.Output(
                    display_name="reference", tooltip="The looks of the face, for EMO Condition."
                )
            ],
        )

    @classmethod
    def execute(
        cls, encoders: EncodersValue, vae: Any, image: Tensor, size: int, face_embedding: Any = None
    ) -> io.NodeOutput:
        config = encoders.config
        portrait = portrait_from_image(image, size or config.preset.size)
        known = face_embedding is not None and config.context is not None
        embedding = embedding_from(face_embedding, config.context.inputs) if known and config.context else None
        return io.NodeOutput(reference_of(encoders, vae, portrait, embedding))


class EncodeAudio(io.ComfyNode):
    """The sound as tokens for each frame; decides how many frames there are."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_EncodeAudio",
            display_name="EMO Encode Audio",
            category="EMO/conditioning",
            description="Hears what is said or sung. The video gets as many frames as the sound needs.",
            inputs=[
                EmoEncoders.Input("encoders", tooltip="The encoders of Load EMO Model."),
                io.Audio.Input(
                    "audio", tooltip="Speech or song, any rate and length; goes into the video unchanged."
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frames per second of the video; 0 is what the model was trained for. "
                    "V-Express takes it as the most, and makes a little less so that its windows fit.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="Where to begin, in seconds.",
                ),
                io.Float.Input(
                    "length",
                    default=0.0,
                    min=0.0,
                    max=86400.0,
                    step=0.01,
                    tooltip="How much to use, in seconds; 0 is to the end.",
                ),
                io.Audio.Input(
                    "vocals",
                    optional=True,
                    tooltip="The voice alone, if audio is a song with instruments: it moves the mouth.",
                ),
                io.Float.Input(
                    "gate",
                    default=0.0,
                    min=0.0,
                    max=80.0,
                    step=1.0,
                    optional=True,
                    tooltip="What is more than so many dB below the loud parts is true silence to the model, and the "
                    "mouth shuts: 35 to 50 for a noisy room. Less shuts it more often; 0 is off.",
                ),
                io.Float.Input(
                    "loudness",
                    default=0.0,
                    min=-60.0,
                    max=0.0,
                    step=0.5,
                    optional=True,
                    tooltip="Brings what the model hears to this loudness in LUFS, such as -23. Louder (-16) opens "
                    "the mouth wider in models that hear loudness; 0 is off. The video keeps the original.",
                ),
                io.Float.Input(
                    "tail",
                    default=0.0,
                    min=0.0,
                    max=10.0,
                    step=0.1,
                    optional=True,
                    tooltip="Seconds of silence behind the sound, in the video too: the mouth shuts, and glitches of "
                    "the last frames fall there.",
                ),
            ],
            outputs=[
                EmoAudio.Output(
                    display_name="emo_audio", tooltip="The sound as the model hears it, for EMO Condition."
                ),
                io.Audio.Output(
                    display_name="audio", tooltip="The original samples of the part that is used."
                ),
                io.Float.Output(display_name="fps", tooltip="Frames per second, for EMO Decode to Video."),
                io.Int.Output(display_name="frames", tooltip="How many frames the video has."),
            ],
        )

    @classmethod
    def execute(
        cls,
        encoders: EncodersValue,
        audio: Any,
        fps: float,
        start: float,
        length: float,
        vocals: Any = None,
        gate: float = 0.0,
        loudness: float = 0.0,
        tail: float = 0.0,
    ) -> io.NodeOutput:
        sound = trimmed(sound_from_audio(audio), start, length)
        heard = sound if vocals is None else trimmed(sound_from_audio(vocals), start, length)
        sound, heard = heard_of(sound, 0.0, 0.0, tail), heard_of(heard, gate, loudness, tail)
        value = audio_of(encoders, sound, heard, fps or None)
        return io.NodeOutput(value, audio_from_sound(sound), value.fps, value.frames)


class EncodeFaceRegion(io.ComfyNode):
    """Where the face may be."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_EncodeFaceRegion",
            display_name="EMO Encode Face Region",
            category="EMO/conditioning",
            description="Says where in the picture the face may move: the box around a painted mask.",
            inputs=[
                EmoEncoders.Input("encoders", tooltip="The encoders of Load EMO Model."),
                size_input(),
                io.Float.Input(
                    "margin",
                    default=0.05,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Room around the mask's box, as a share of its size. More room, more motion.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The face, painted in the mask editor on the same picture. "
                    "Without it the middle of the picture is taken. emo-tiny moves a head that is elsewhere there.",
                ),
                io.Mask.Input(
                    "lips",
                    optional=True,
                    tooltip="The lips, painted on the same picture, for models that hear with the lips apart (Hallo). "
                    "Without it they are taken from the landmarks, or where lips usually are.",
                ),
                io.MultiType.Input(
                    EmoLandmarks.Input("landmarks", optional=True, tooltip=LANDMARKS_HINT),
                    types=[io.Custom("POSE_KEYPOINT")],
                ),
                io.String.Input(
                    "key_points",
                    default="",
                    optional=True,
                    tooltip="Left eye, right eye and nose, for models that are shown them (V-Express): "
                    "'0.38 0.42, 0.62 0.42, 0.5 0.58', shares of the square picture from the left and from the top. "
                    "Empty: from the landmarks, or where they usually are.",
                ),
            ],
            outputs=[
                EmoFaceRegion.Output(
                    display_name="face_region", tooltip="Where the face may be, for EMO Condition."
                ),
                io.Mask.Output(display_name="mask", tooltip="The region that is used, to look at."),
            ],
        )

    @classmethod
    def execute(
        cls,
        encoders: EncodersValue,
        size: int,
        margin: float,
        mask: Tensor | None = None,
        lips: Tensor | None = None,
        landmarks: Any = None,
        key_points: str = "",
    ) -> io.NodeOutput:
        side = size or encoders.config.preset.size
        value = region_of(encoders, mask, side, margin, lips, landmarks, key_points)
        return io.NodeOutput(value, value.mask[None])


class EncodeSpeed(io.ComfyNode):
    """How fast the head turns."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_EncodeSpeed",
            display_name="EMO Encode Head Speed",
            category="EMO/conditioning",
            description="Says how fast the head turns: one number, or a curve over time.",
            inputs=[
                EmoEncoders.Input("encoders", tooltip="The encoders of Load EMO Model."),
                io.Float.Input(
                    "speed",
                    default=0.5,
                    min=0.0,
                    max=2.4,
                    step=0.05,
                    tooltip="Degrees per frame. Calm speech 0.1 to 0.5, lively 1.0, singing up to 1.3.",
                ),
                io.Int.Input(
                    "frames",
                    default=1,
                    min=1,
                    max=10_000_000,
                    tooltip="Frames of the video; only curves need it.",
                ),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frames per second; only curves need it.",
                ),
                io.String.Input(
                    "curve",
                    default="",
                    tooltip="Points 'seconds: degrees per frame', such as '0: 0.2, 2.5: 1.0', joined by "
                    "straight lines. Takes the place of speed.",
                ),
                io.MultiType.Input(
                    "speeds",
                    types=[io.Float, io.Custom("FLOATS")],
                    optional=True,
                    tooltip="A list of numbers, degrees per frame, one for each frame, from EMO Head Speed from Music "
                    "or any node that makes lists; another number of them is spread over the video. Takes the place of "
                    "speed and curve.",
                ),
            ],
            outputs=[
                EmoSpeed.Output(display_name="speed", tooltip="How fast the head turns, for EMO Condition.")
            ],
            is_input_list=True,  # else the host would run the node once for each number of a list
        )

    @classmethod
    def execute(
        cls,
        encoders: list[EncodersValue],
        speed: list[float],
        frames: list[int],
        fps: list[float],
        curve: list[str],
        speeds: list[Any] | None = None,
    ) -> io.NodeOutput:
        return io.NodeOutput(speed_of(encoders[0], speed[0], frames[0], fps[0], curve[0], speeds))


class Condition(io.ComfyNode):
    """Everything together."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_Condition",
            display_name="EMO Condition",
            category="EMO/conditioning",
            description="Puts portrait, sound, region and speed together, and makes the empty latent.",
            inputs=[
                EmoReference.Input("reference", tooltip="From EMO Encode Portrait."),
                EmoAudio.Input("emo_audio", tooltip="From EMO Encode Audio."),
                EmoFaceRegion.Input("face_region", optional=True, tooltip="From EMO Encode Face Region."),
                EmoSpeed.Input("speed", optional=True, tooltip="From EMO Encode Head Speed."),
                EmoStrengths.Input("strengths", optional=True, tooltip="From EMO Strengths."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="full", tooltip="Everything: the positive conditioning."),
                io.Conditioning.Output(display_name="reference_only", tooltip="Everything but the sound."),
                io.Conditioning.Output(
                    display_name="none", tooltip="Neither portrait nor sound: the negative conditioning."
                ),
                io.Latent.Output(display_name="latent", tooltip="Empty, of the right size and length."),
            ],
        )

    @classmethod
    def execute(
        cls,
        reference: ReferenceValue,
        emo_audio: AudioValue,
        face_region: FaceRegionValue | None = None,
        speed: SpeedValue | None = None,
        strengths: StrengthsValue | None = None,
    ) -> io.NodeOutput:
        return io.NodeOutput(*conditionings(reference, emo_audio, face_region, speed, strengths))
