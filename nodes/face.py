"""A face out of a whole picture, and its animation back into it."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..emo_core.face.detections import ORDERS, Layout
from ..emo_core.face.paste import Blend
from .crops import Layer, crop_of, face_boxes, pasted
from .types import CropValue, EmoCrop, EmoEncoders, EncodersValue

LAYOUTS: dict[str, Layout] = {"x0, y0, x1, y1": "corners", "x, y, width, height": "size"}


class CropFace(io.ComfyNode):
    """The square around one face."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_CropFace",
            display_name="EMO Crop Face",
            category="EMO/face",
            description="Cuts the square around one face out of a picture of any size, for EMO Encode Portrait. "
            "EMO Paste Back puts the animation in its place.",
            inputs=[
                io.Image.Input("image", tooltip="The whole picture, or the frames of a video."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The faces, painted in the mask editor on the same picture. One mask per frame of a "
                    "video follows the face.",
                ),
                io.AnyType.Input(
                    "detected",
                    optional=True,
                    tooltip="The output of a face detector of any pack: BBOX, SEGS, boxes as numbers. Goes before "
                    "the mask.",
                ),
                EmoEncoders.Input(
                    "encoders",
                    optional=True,
                    tooltip="The encoders of Load EMO Model: they know the model's size.",
                ),
                io.String.Input(
                    "box",
                    default="",
                    tooltip="The face's box in pixels: left, top, right, bottom. Goes before everything else.",
                ),
                io.Combo.Input(
                    "box_layout",
                    options=list(LAYOUTS),
                    default="x0, y0, x1, y1",
                    tooltip="What the four numbers of a detector's box are, in pixels.",
                ),
                io.Int.Input("index", default=0, min=0, max=99, tooltip="Which face, counted from 0."),
                io.Combo.Input(
                    "order",
                    options=list(ORDERS),
                    default="left to right",
                    tooltip="How the faces are counted.",
                ),
                io.Float.Input(
                    "margin",
                    default=0.3,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="Room on each side, as a share of the face's size. More shows more of hair and "
                    "shoulders and leaves room to move; less makes the face larger.",
                ),
                io.Int.Input(
                    "size",
                    default=0,
                    min=0,
                    max=2048,
                    step=8,
                    tooltip="Side of the crop in pixels; 0 is the model's, or without encoders the crop's own.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The square crop, for EMO Encode Portrait."),
                io.Mask.Output(
                    display_name="mask", tooltip="The face in the crop, for EMO Encode Face Region."
                ),
                EmoCrop.Output(display_name="crop", tooltip="Where the crop was, for EMO Paste Back."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        box: str,
        box_layout: str,
        index: int,
        order: str,
        margin: float,
        size: int,
        mask: Tensor | None = None,
        detected: Any = None,
        encoders: EncodersValue | None = None,
    ) -> io.NodeOutput:
        boxes = face_boxes(image, mask, detected, box, LAYOUTS[box_layout])
        size = size or (encoders.config.preset.size if encoders else 0)
        return io.NodeOutput(*crop_of(image, mask, boxes, order, index, margin, size))


class PasteBack(io.ComfyNode):
    """The animation back in its place."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_PasteBack",
            display_name="EMO Paste Back",
            category="EMO/face",
            description="Puts animated crops back into the whole picture, at its full size, with soft edges and "
            "matching colours. Long results are kept on disk.",
            inputs=[
                EmoCrop.Input("crop", tooltip="Where the crop was, from EMO Crop Face."),
                io.Image.Input("frames", tooltip="The animated crop, from EMO Decode Frames or an upscaler."),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="Picture or video frames to paste onto, such as another EMO Paste Back's; without it "
                    "the picture that was cropped. What ends earlier holds its last frame.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Only this part of the crop is pasted (a mask of the crop, as EMO Crop Face gives it).",
                ),
                EmoCrop.Input("crop_2", optional=True, tooltip="The crop of a second speaker."),
                io.Image.Input("frames_2", optional=True, tooltip="The animation of the second speaker."),
                io.Mask.Input(
                    "mask_2", optional=True, tooltip="Only this part of the second crop is pasted."
                ),
                io.Float.Input(
                    "feather",
                    default=0.1,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Width of the soft edge, as a share of the crop's side. More hides the seam better and "
                    "leaves less of the animation.",
                ),
                io.Float.Input(
                    "colour_match",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="1 gives the animation the picture's brightness and contrast, measured along the "
                    "crop's edge; 0 leaves its colours.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="image",
                    tooltip="The whole picture, moving, for Create Video or an upscaler.",
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        crop: CropValue,
        frames: Tensor,
        feather: float,
        colour_match: float,
        image: Tensor | None = None,
        mask: Tensor | None = None,
        crop_2: CropValue | None = None,
        frames_2: Tensor | None = None,
        mask_2: Tensor | None = None,
    ) -> io.NodeOutput:
        layers = [Layer(crop, frames, mask)]
        if crop_2 is not None and frames_2 is not None:
            layers.append(Layer(crop_2, frames_2, mask_2))
        canvas = crop.picture if image is None else image
        return io.NodeOutput(pasted(canvas, layers, Blend(feather, colour_match), cls.hidden.unique_id))
