"""The ComfyUI nodes: thin, typed, and the only part of the pack that knows the host."""

from comfy_api.latest import ComfyExtension, io
from typing_extensions import override

from .conditioning import Condition, EncodeAudio, EncodeFaceRegion, EncodeReference, EncodeSpeed
from .control import LipsOnly, SpeedFromMusic, Strengths
from .face import CropFace, PasteBack
from .find_face import DetectFace, FaceEmbedding
from .host.folders import offer_samples, register_model_folder
from .inspect import Inspect
from .loaders import LoadModel
from .long_sound import LoadAudio
from .provenance import DetectMark, MarkFrames, SignVideo
from .sampling import Faster, Sample, SampleClips
from .video import DecodeFrames, DecodeToVideo

__all__ = ["NODES", "EMOExtension"]

NODES: tuple[type[io.ComfyNode], ...] = (
    LoadModel,
    EncodeReference,
    EncodeAudio,
    EncodeFaceRegion,
    EncodeSpeed,
    Condition,
    Sample,
    SampleClips,
    DecodeToVideo,
    DecodeFrames,
    CropFace,
    PasteBack,
    SpeedFromMusic,
    Strengths,
    LipsOnly,
    Inspect,
    DetectFace,
    FaceEmbedding,
    MarkFrames,
    DetectMark,
    SignVideo,
    LoadAudio,
    Faster,
)


class EMOExtension(ComfyExtension):
    """What `comfy_entrypoint` hands to ComfyUI."""

    @override
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        register_model_folder()
        offer_samples()
        return list(NODES)
