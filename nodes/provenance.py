"""So that a generated video can be told from a real one."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..emo_core.provenance.detect import Evidence
from ..emo_core.provenance.report import examine, mark_line
from ..emo_core.provenance.watermark import Watermark
from .host.signing import TRIAL_NAME, identities, signed_video, video_path

CATEGORY = "EMO/provenance"


class MarkFrames(io.ComfyNode):
    """The invisible mark, for frames that go through other nodes before they are a video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_Watermark",
            display_name="EMO Watermark",
            category=CATEGORY,
            description="Puts an invisible mark into the frames of one video, which EMO Detect Watermark finds again "
            "after compression, scaling and cropping. EMO Decode to Video has it as an option.",
            inputs=[
                io.Image.Input(
                    "images", tooltip="All frames of the video, RGB, after upscaling and pasting."
                ),
                io.Float.Input(
                    "psnr",
                    default=0.0,
                    min=0.0,
                    max=60.0,
                    step=0.5,
                    tooltip="How faint the mark is, in dB: more is fainter and holds less. 0 is 37 for frames "
                    "below 256 pixels and 40 above.",
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="The frames with the mark.")],
        )

    @classmethod
    def execute(cls, images: Tensor, psnr: float) -> io.NodeOutput:
        return io.NodeOutput(Watermark(psnr).mark(images))


class DetectMark(io.ComfyNode):
    """Was it made with EMO nodes?"""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_DetectWatermark",
            display_name="EMO Detect Watermark",
            category=CATEGORY,
            description="Says whether EMO nodes made a video: invisible mark, tags and content credentials. Nothing "
            "found does not prove that a video is real.",
            inputs=[
                io.Video.Input("video", optional=True, tooltip="A video file, such as from Load Video."),
                io.Image.Input(
                    "images", optional=True, tooltip="Frames of one video, where there is no file."
                ),
            ],
            outputs=[
                io.Boolean.Output(display_name="generated", tooltip="Whether anything was found."),
                io.Float.Output(
                    display_name="chance",
                    tooltip="Upper bound of the probability that unmarked frames look so marked; 1 says nothing.",
                ),
                io.String.Output(display_name="report", tooltip="What was found, in words."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, video: Any = None, images: Tensor | None = None) -> io.NodeOutput:
        if (video is None) == (images is None):
            raise ValueError("one of video and images is wanted: connect one of them")
        if images is None:
            report = examine(video_path(video))
            finding, generated, lines = report.finding, report.generated, report.lines()
        else:
            evidence = Evidence()
            evidence.add(images)
            finding = evidence.finding()
            generated, lines = finding.marked, [mark_line(finding)]
        text = "\n".join(lines)
        return io.NodeOutput(generated, finding.chance, text, ui=ui.PreviewText(text))


class SignVideo(io.ComfyNode):
    """Content credentials."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_SignVideo",
            display_name="EMO Sign Video",
            category=CATEGORY,
            description="Makes Save Video write signed content credentials (C2PA) into the mp4: made by a model, which "
            "one, from which portrait and sound (their hashes). Needs the package c2pa-python.",
            inputs=[
                io.Video.Input("video", tooltip="The finished video. Connect the output to Save Video only."),
                io.Combo.Input(
                    "signer",
                    options=identities(),
                    default=TRIAL_NAME,
                    tooltip="NAME.crt.pem and NAME.key.pem in ComfyUI's folder user/__emo_credentials. The self-signed "
                    "one is made when first used; programs that check it show an unknown signer.",
                ),
            ],
            outputs=[io.Video.Output(display_name="video", tooltip="Is signed when it is saved.")],
        )

    @classmethod
    def execute(cls, video: Any, signer: str) -> io.NodeOutput:
        return io.NodeOutput(signed_video(video, signer))
