"""A look at what goes into the sampler."""

from __future__ import annotations

from comfy_api.latest import io, ui

from .convert import image_from_picture
from .types import (
    AudioValue,
    EmoAudio,
    EmoFaceRegion,
    EmoReference,
    EmoSpeed,
    FaceRegionValue,
    ReferenceValue,
    SpeedValue,
)
from .values import inspection


class Inspect(io.ComfyNode):
    """Portrait with region, waveform with clip joins, speed curve: one picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_Inspect",
            display_name="EMO Inspect",
            category="EMO",
            description="Draws what the sampler will get: the face region on the portrait, the sound with "
            "the joins of the clips, the head's speed.",
            inputs=[
                EmoReference.Input("reference", optional=True, tooltip="From EMO Encode Portrait."),
                EmoAudio.Input("emo_audio", optional=True, tooltip="From EMO Encode Audio."),
                EmoFaceRegion.Input("face_region", optional=True, tooltip="From EMO Encode Face Region."),
                EmoSpeed.Input("speed", optional=True, tooltip="From EMO Encode Head Speed."),
                io.Int.Input(
                    "clip_frames",
                    default=12,
                    min=1,
                    max=1024,
                    tooltip="Frames per clip, to mark where clips join.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The drawing, 768 pixels wide.")],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        clip_frames: int,
        reference: ReferenceValue | None = None,
        emo_audio: AudioValue | None = None,
        face_region: FaceRegionValue | None = None,
        speed: SpeedValue | None = None,
    ) -> io.NodeOutput:
        image = image_from_picture(inspection(reference, emo_audio, face_region, speed, clip_frames))
        return io.NodeOutput(image, ui=ui.PreviewImage(image, cls=cls))
