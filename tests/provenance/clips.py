"""A marked video, and what happens to videos."""

import io
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

PORTRAIT = Path(__file__).resolve().parents[2] / "emo_core" / "assets" / "samples" / "emo_portrait.png"


def portrait(size: int, frames: int = 12) -> Tensor:
    """The sample portrait [F, size, size, 3], swaying a little."""
    with Image.open(PORTRAIT) as file:
        pixels = torch.from_numpy(
            np.array(file.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))
        )
    shifts = (2 * torch.sin(torch.arange(frames) / 3)).round().int().tolist()
    return torch.stack([pixels.roll(shift, 1) for shift in shifts]).float() / 255


def encoded(clip: Tensor, crf: int) -> Tensor:
    """Through H.264 and back."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = clip.shape[1], clip.shape[2], "yuv420p"
        for picture in (clip * 255).round().byte().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).float() / 255


def halved(clip: Tensor) -> Tensor:
    """Scaled to 50 %."""
    return (
        interpolate(clip.movedim(-1, 1), scale_factor=0.5, mode="bicubic", antialias=True)
        .movedim(1, -1)
        .clamp(0, 1)
    )


def cropped(clip: Tensor) -> Tensor:
    """10 % of width and height cut off, not evenly."""
    side = int(clip.shape[1] * 0.9) // 2 * 2
    return clip[:, 4 : 4 + side, -side:].contiguous()
