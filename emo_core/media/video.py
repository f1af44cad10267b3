"""Video files: written frame by frame with their sound, never left half done; read back for inspection."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType

import av
import numpy as np
import torch
from av.container import OutputContainer
from torch import Tensor

from .disk import read_rows

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
AUDIO_CHUNK = 1 << 16  # samples handed to the encoder at once
# without cpu-independent, x264 gives small pictures differently from run to run
QUALITY = {"crf": "17", "preset": "medium", "x264-params": "cpu-independent=1"}


@dataclass(frozen=True)
class Sound:
    """Samples [C, S] in -1..1 and their rate in Hz."""

    samples: Tensor
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.samples.shape[-1] / self.rate

    def frames(self, fps: float) -> int:
        """How many pictures at `fps` cover it: the last one may reach beyond the end."""
        return math.ceil(self.samples.shape[-1] * fps / self.rate - 1e-6)

    def cut(self, frames: int, fps: float) -> Sound:
        """The part that `frames` pictures at `fps` cover, not padded if it is shorter."""
        return Sound(self.samples[:, : math.ceil(frames * self.rate / fps)], self.rate)

    def part(self, first: int, last: int) -> Tensor:
        """Samples [C, n] from `first` up to `last`; of a sound in a file (`disk`) only these are read."""
        return read_rows(self.samples.T, first, last).T

    def mono(self, rate: int) -> Tensor:
        """All channels as one at `rate` Hz, [round(seconds * rate)]."""
        if rate == self.rate:
            return self.samples[0].float() if len(self.samples) == 1 else self.samples.float().mean(0)
        made = torch.zeros(round(self.samples.shape[1] * rate / self.rate))
        place = 0
        resampler = av.AudioResampler("fltp", "mono", rate)
        pieces = ((part.float().mean(0, keepdim=True), start) for part, start in self.pieces())
        frames = (frame for part, start in pieces for frame in audio_frames(part, self.rate, start))
        for frame in chain(frames, (None,)):  # None: give out what is left inside
            for piece in resampler.resample(frame):
                part = torch.from_numpy(piece.to_ndarray()[0])[: len(made) - place]
                made[place : place + len(part)] = part
                place += len(part)
        return made

    def pieces(self) -> Iterator[tuple[Tensor, int]]:
        """Parts of the samples and where they begin: long sounds are never copied whole."""
        for start in range(0, self.samples.shape[1], AUDIO_CHUNK):
            yield self.part(start, start + AUDIO_CHUNK), start


def audio_frames(samples: Tensor, rate: int, first: int = 0) -> Iterator[av.AudioFrame]:
    """Samples [C, S] in pieces as the encoders take them; `first` is the first one's place."""
    layout = _layout(samples.shape[0])
    channels = av.AudioLayout(layout).nb_channels
    for start in range(0, samples.shape[1], AUDIO_CHUNK):
        part = samples[:channels, start : start + AUDIO_CHUNK].float().contiguous().cpu().numpy()
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first + start, Fraction(1, rate)
        yield frame


class VideoWriter:
    """Writes an mp4 (H.264, AAC) frame by frame; use it with `with`.

    The file stands at `path` only when everything is in it: until then, and after an error, there is none.
    `tags` go into the container.
    """

    def __init__(
        self, path: Path, fps: float, sound: Sound | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        if fps <= 0:
            raise ValueError(f"fps must be above 0, got {fps}")
        self.path = path
        self.frames = 0
        self._partial = path.with_name(f".{path.name}.part")
        self._rate = Fraction(fps).limit_denominator(1001)
        self._sound = sound
        self._tags = tags or {}
        self._container: OutputContainer | None = None

    def __enter__(self) -> VideoWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        options = {"movflags": "use_metadata_tags"}
        self._container = container = av.open(self._partial, "w", format="mp4", options=options)
        container.metadata.update(self._tags)
        self._video = container.add_stream("libx264", rate=self._rate, options=QUALITY)
        self._video.pix_fmt = "yuv420p"
        self._track = _SoundTrack(container, self._sound) if self._sound else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        container, self._container = self._container, None
        if container is None:
            return
        complete = kind is None and self.frames > 0
        try:
            with container:  # closing it writes too, and may fail on a full disk
                if complete:
                    container.mux(self._video.encode(None))
                    self._sound_until_now(last=True)
            if complete:
                self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    def write(self, pictures: Tensor) -> None:
        """Append pictures [F, H, W, 3] in 0..1; H and W are even and stay the same."""
        if self._container is None:
            raise ValueError("the video is not open: use it with `with`")
        height, width = pictures.shape[1:3]
        if height % 2 or width % 2:
            raise ValueError(f"pictures are {width} x {height}, H.264 wants even numbers: scale or crop them")
        if not self.frames:
            self._video.width, self._video.height = width, height
        for picture in (pictures * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy():
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            self._container.mux(self._video.encode(frame))
            self.frames += 1
        self._sound_until_now()

    def _sound_until_now(self, *, last: bool = False) -> None:
        """Write the sound of the pictures so far, so that a player finds both in the same place of the file."""
        if self._track is not None:
            self._track.write(self.frames / self._rate, last=last)


class _SoundTrack:
    """The audio stream of a file, written as far as there are pictures."""

    def __init__(self, container: OutputContainer, sound: Sound) -> None:
        rate = min(AAC_RATES, key=lambda allowed: (abs(allowed - sound.rate), -allowed))
        self._container, self._sound = container, sound
        self._stream = container.add_stream("aac", rate=rate, layout=_layout(sound.samples.shape[0]))
        self._resampler = av.AudioResampler("fltp", _layout(sound.samples.shape[0]), rate)
        self._written = 0

    def write(self, seconds: Fraction, *, last: bool) -> None:
        """Append samples up to a time; the last call gives out what encoder and resampler hold back."""
        end = math.ceil(seconds * self._sound.rate)
        pieces = audio_frames(self._sound.part(self._written, end), self._sound.rate, self._written)
        self._written = end
        for frame in chain(pieces, (None,) if last else ()):
            for piece in self._resampler.resample(frame):
                self._container.mux(self._stream.encode(piece))
        if last:
            self._container.mux(self._stream.encode(None))


def _layout(channels: int) -> str:
    """What is kept of a number of channels, in the usual order: all of one, two and six, the first of others."""
    return "mono" if channels == 1 else "stereo" if channels < 6 else "5.1"


def read_frames(path: Path) -> Iterator[np.ndarray]:
    """The frames of a video [H, W, 3] uint8, one after another."""
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def frame_rate(path: Path) -> float:
    """Frames per second of a video."""
    with av.open(path) as container:
        return float(container.streams.video[0].average_rate or 0)


def read_sound(path: Path) -> Sound:
    """The sound of an audio or video file; ValueError if it has none."""
    parts, rate = sound_pieces(path)
    return Sound(torch.cat(list(parts)).T.contiguous(), rate)


def sound_pieces(path: Path) -> tuple[Iterator[Tensor], int]:
    """The samples [n, C] of an audio or video file piece by piece, and their rate in Hz; ValueError if it has none."""
    container = av.open(path)
    if not container.streams.audio:
        container.close()
        raise ValueError(f"{path} holds no sound: give a file with an audio track")
    stream = container.streams.audio[0]

    def decoded() -> Iterator[Tensor]:
        resampler = av.AudioResampler("fltp", stream.layout, stream.rate)
        with container:
            pieces = (piece for frame in container.decode(stream) for piece in resampler.resample(frame))
            empty = True
            for piece in pieces:
                empty = False
                yield torch.from_numpy(piece.to_ndarray().T.copy())
            if empty:
                raise ValueError(
                    f"{path} holds no samples: give a file with an audio track that is not empty"
                )

    return decoded(), stream.rate
