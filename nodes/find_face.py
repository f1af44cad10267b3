"""Optional helpers: where a face is, and who it is. Any other node's results can take their place."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..emo_core.face.boxes import box_mask
from ..emo_core.face.insight import FoundFace, embed_face, find_faces, landmarks_of, open_session
from ..emo_core.face.landmarks import Landmarks
from .host.insightface import DETECTORS, RECOGNISERS, find_onnx
from .types import EmoFaceEmbedding, EmoLandmarks

LICENCE = "insightface's models are for NON-COMMERCIAL use only. Needs the package onnxruntime and {file}."


def faces_of(image: Tensor, index: int) -> FoundFace:
    """Face number `index` of the first picture of an IMAGE, the largest is 0."""
    session = open_session(find_onnx(DETECTORS, "finding faces"))
    faces = find_faces(session, image[0, ..., :3].movedim(-1, 0).float())
    if index >= len(faces):
        raise ValueError(
            f"there is no face {index}: {len(faces)} found. Paint a mask, or take another picture"
        )
    return faces[index]


def index_input() -> io.Int.Input:
    """Which face, if there are several."""
    return io.Int.Input("index", default=0, min=0, max=99, tooltip="Which face; 0 is the largest.")


class DetectFace(io.ComfyNode):
    """Box and points of a face."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_DetectFace",
            display_name="EMO Detect Face",
            category="EMO/face",
            description="Finds a face: its box, eyes, nose and mouth. Optional: masks can be painted. "
            + LICENCE.format(file=DETECTORS[0]),
            inputs=[io.Image.Input("image", tooltip="The portrait, any size."), index_input()],
            outputs=[
                EmoLandmarks.Output(
                    display_name="landmarks", tooltip="Box, eyes, nose and mouth, for EMO Encode Face Region."
                ),
                io.Mask.Output(display_name="face", tooltip="The face's box."),
                io.Mask.Output(display_name="lips", tooltip="The box of the lips."),
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, index: int) -> io.NodeOutput:
        height, width = image.shape[1:3]
        found = landmarks_of(faces_of(image, index), width, height)
        marks = Landmarks.read(found)
        masks = (box_mask(box, height, width)[0] for box in (marks.face_box(), marks.lips_box()))
        return io.NodeOutput(found, *masks)


class FaceEmbedding(io.ComfyNode):
    """Who a face is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_FaceEmbedding",
            display_name="EMO Face Embedding",
            category="EMO/face",
            description="Tells who a face is, in 512 numbers, for Hallo. Optional. "
            + LICENCE.format(file=f"{DETECTORS[0]}, {RECOGNISERS[0]}"),
            inputs=[
                io.Image.Input("image", tooltip="The portrait, any size."),
                index_input(),
                EmoLandmarks.Input(
                    "landmarks",
                    optional=True,
                    tooltip="Points of the face in the same picture, if they are known already; else they are found.",
                ),
            ],
            outputs=[
                EmoFaceEmbedding.Output(
                    display_name="face_embedding", tooltip="Who the face is, for EMO Encode Portrait."
                )
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, index: int, landmarks: Any = None) -> io.NodeOutput:
        points = faces_of(image, index).points if landmarks is None else Landmarks.read(landmarks).points
        session = open_session(find_onnx(RECOGNISERS, "recognising faces"))
        return io.NodeOutput(embed_face(session, image[0, ..., :3].movedim(-1, 0).float(), points))
