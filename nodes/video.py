"""From latents to a video with its sound."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import InputImpl, io, ui

from ..emo_core.provenance.marks import marks_of
from ..emo_core.provenance.statement import Statement
from .convert import checked_fps, sound_from_audio
from .host.folders import temporary_video
from .host.video import decode_frames, decode_to_file
from .values import MEDIAN, STATEMENT


class DecodeToVideo(io.ComfyNode):
    """Decodes a few frames at a time into a file, so that memory does not grow with length."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_DecodeToVideo",
            display_name="EMO Decode to Video",
            category="EMO",
            description="Decodes latents straight into an mp4 with the sound, in memory that does not grow.",
            inputs=[
                io.Latent.Input("latent", tooltip="The latents of EMO Sampler."),
                io.Vae.Input("vae", tooltip="The VAE the latents belong to."),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frames per second of the sound's encoding.",
                ),
                io.Audio.Input(
                    "audio", optional=True, tooltip="The sound of EMO Encode Audio, cut to the frames."
                ),
                io.Boolean.Input(
                    "watermark",
                    default=False,
                    optional=True,
                    tooltip="Put an invisible mark into the frames, which EMO Detect Watermark finds again.",
                ),
                io.String.Input(
                    "badge",
                    default="",
                    optional=True,
                    tooltip="A short text in the lower right corner of every frame, such as AI. Empty is none.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video", tooltip="A file in the temp folder: save it with Save Video."
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        latent: dict[str, Any],
        vae: Any,
        fps: float,
        audio: Any = None,
        watermark: bool = False,
        badge: str = "",
    ) -> io.NodeOutput:
        checked_fps(fps)
        path, subfolder = temporary_video("emo")
        sound = None if audio is None else sound_from_audio(audio)
        tags = latent.get(STATEMENT, Statement()).tags()
        marks = marks_of(badge, watermark=watermark)
        median = latent.get(MEDIAN, False)
        decode_to_file(latent["samples"], vae, path, fps, sound, cls.hidden.unique_id, tags, marks, median=median)
        preview = ui.SavedResult(path.name, subfolder, io.FolderType.temp)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=ui.PreviewVideo([preview]))


class DecodeFrames(io.ComfyNode):
    """IMAGE for other nodes, a few frames at a time and on disk if it is large."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_DecodeFrames",
            display_name="EMO Decode Frames",
            category="EMO",
            description="Decodes latents into pictures for upscalers, face restorers or EMO Paste Back: all, or a "
            "part of a long video.",
            inputs=[
                io.Latent.Input("latent", tooltip="The latents of EMO Sampler."),
                io.Vae.Input("vae", tooltip="The VAE the latents belong to."),
                io.Int.Input(
                    "start", default=0, min=0, max=10_000_000, tooltip="The first frame, counted from 0."
                ),
                io.Int.Input(
                    "count",
                    default=0,
                    min=0,
                    max=10_000_000,
                    tooltip="How many frames; 0 is to the end. Nodes that hold all frames in memory want fewer.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The frames, RGB in 0..1.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, latent: dict[str, Any], vae: Any, start: int, count: int) -> io.NodeOutput:
        median = latent.get(MEDIAN, False)
        pictures = decode_frames(latent["samples"], vae, start, count, cls.hidden.unique_id, median=median)
        return io.NodeOutput(pictures)
