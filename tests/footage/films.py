"""Real encoded videos for the tests: a photograph moved by known homographies, and rendered heads that speak."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from skimage import data

from emo_core.media.video import audio_frames
from emo_core.training.footage.settings import Settings

RATE = 16000
QUICK = Settings(fps=15.0, size=64, shortest=1.0, longest=2.0, smallest_crop=96, correlation=0.0)
"""Small clips, and mouths need not move with the sound: a photograph's cannot."""


def write_film(
    path: Path,
    pictures: Iterable[np.ndarray],
    fps: float = 15.0,
    *,
    sound: np.ndarray | None = None,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 12,
) -> Path:
    """Encode pictures [H, W, 3] uint8, at `times` (s) if given, with AAC sound at 16 kHz if given."""
    with av.open(path, "w") as container:
        video = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        video.pix_fmt, video.gop_size = pix_fmt, gop
        video.codec_context.time_base = Fraction(1, 1000)
        audio = None if sound is None else container.add_stream("aac", rate=RATE, layout="mono")
        for number, picture in enumerate(pictures):
            if not number:
                video.height, video.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            seconds = number / fps if times is None else times[number]
            frame.pts, frame.time_base = round(seconds * 1000), Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            for frame in chain(audio_frames(torch.from_numpy(sound)[None].float(), RATE), (None,)):
                for piece in av.AudioResampler("fltp", "mono", RATE, frame_size=1024).resample(frame):
                    container.mux(audio.encode(piece))
            container.mux(audio.encode(None))
    return path


def voice(seconds: float, loud: np.ndarray | None = None, fps: float = 15.0) -> np.ndarray:
    """Noise [S] whose level follows `loud` [F]."""
    samples = np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32) * 0.1
    if loud is None:
        return samples
    at = np.arange(len(samples)) / RATE
    return samples * np.interp(at, (np.arange(len(loud)) + 0.5) / fps, loud).astype(np.float32)


def roll_film(count: int, degrees: float, start: float = 0.0) -> Iterable[np.ndarray]:
    """The astronaut rolling by `degrees` per frame about the middle of the face, growing and shifting a little."""
    photo = data.astronaut()
    for number in range(count):
        angle = np.deg2rad(start + degrees * number)
        scale = 1 + 0.02 * np.sin(number / 4)
        cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
        face, place = np.array([224.0, 130.0]), np.array([256.0 + 6 * np.sin(number / 5), 200.0])
        turn = np.array([[cosine, -sine], [sine, cosine]])
        homography = np.eye(3)
        homography[:2, :2], homography[:2, 2] = turn, place - turn @ face
        yield cv2.warpPerspective(photo, homography, (512, 400), borderMode=cv2.BORDER_REFLECT)


def faceless(count: int) -> Iterable[np.ndarray]:
    """A cup of coffee that drifts by."""
    photo = data.coffee()
    for number in range(count):
        yield photo[:400, number : number + 512]
