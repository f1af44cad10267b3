"""Reading videos from anywhere: pictures at a constant rate by their time stamps, and their sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

import av
import numpy as np
import torch
from av.container import InputContainer

from ...media.video import Sound
from ...optional import need

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv", ".wmv")
NEVER = float("inf")


@dataclass(frozen=True)
class Listed:
    """A video by its place below the root, and its size in bytes."""

    name: str
    size: int


def list_videos(root: str) -> list[Listed]:
    """All videos below a folder, or one file, on any file system that fsspec knows."""
    fs, path = need("fsspec", "fsspec").core.url_to_fs(root)
    if fs.isfile(path):
        return [Listed(path.rsplit("/", 1)[-1], int(fs.size(path)))]
    found = fs.find(path, detail=True)
    names = sorted(name for name in found if name.lower().endswith(SUFFIXES))
    if not names:
        raise ValueError(f"no videos below {root}: want files that end in {', '.join(SUFFIXES)}")
    start = len(path.rstrip("/")) + 1
    return [Listed(name[start:], int(found[name]["size"])) for name in names]


def video_url(root: str, name: str) -> str:
    """The address of a listed video."""
    fs, path = need("fsspec", "fsspec").core.url_to_fs(root)
    return fs.unstrip_protocol(path if fs.isfile(path) else f"{path.rstrip('/')}/{name}")


class Video:
    """One video, opened for as long as the `with` lasts. Times are seconds on the file's own clock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.damage: list[float] = []
        """Times at which the file could not be decoded."""

    def __enter__(self) -> Video:
        self._file = need("fsspec", "fsspec").open(self.url, "rb").open()
        try:
            self._container = cast(InputContainer, av.open(self._file))
            if not self._container.streams.video:
                raise ValueError("it holds no video")
        except BaseException:
            self._file.close()
            raise
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1  # whoever runs several videos at once counts on it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
        self._file.close()

    @property
    def has_sound(self) -> bool:
        """Whether there is an audio track."""
        return bool(self._container.streams.audio)

    def frames(self, start: float = -NEVER) -> Iterator[tuple[float, av.VideoFrame]]:
        """Decoded frames with their times, which only grow, from the key frame before `start` on."""
        if start > -NEVER:
            self._seek(self._stream, start)
        last = -NEVER
        for frame in self._decode(self._stream):
            if frame.time is None:
                raise ValueError("its frames carry no time stamps: put it into an mp4 or mkv")
            if frame.is_corrupt:
                self.damage.append(frame.time)
            if frame.time > last:
                last = frame.time
                yield last, frame

    def pictures(self, start: float, count: int, fps: float) -> Iterator[np.ndarray]:
        """`count` upright pictures [H, W, 3] uint8 RGB: number i is what a player shows at start + (i + 0.5) / fps."""
        shown: av.VideoFrame | None = None
        picture: np.ndarray | None = None
        made = 0
        for time, frame in self.frames(start):
            while shown is not None and made < count and start + (made + 0.5) / fps < time:
                picture = self.upright(shown) if picture is None else picture
                yield picture
                made += 1
            if made == count:
                return
            shown, picture = frame, None
        while shown is not None and made < count:  # the last frame stays on
            picture = self.upright(shown) if picture is None else picture
            yield picture
            made += 1

    def sound(self, start: float, seconds: float, rate: int) -> np.ndarray:
        """Mono samples float32 [round(seconds * rate)] from `start` on; where the file has none there is silence."""
        stream = self._container.streams.audio[0]
        self._seek(stream, max(start - 0.5, 0.0))
        buffer, source = np.zeros(0, np.float32), stream.rate
        for frame in self._decode(stream):
            if frame.time is None or frame.time > start + seconds:
                break
            source = frame.sample_rate
            if not len(buffer):
                buffer = np.zeros(round(seconds * source), np.float32)
            _lay(buffer, _mono(frame), round((frame.time - start) * source))
        wanted = round(seconds * rate)
        if not len(buffer):
            return np.zeros(wanted, np.float32)
        samples = Sound(torch.from_numpy(buffer)[None], source).mono(rate).numpy()[:wanted]
        return np.pad(samples, (0, wanted - len(samples)))

    def upright(self, frame: av.VideoFrame, width: int | None = None) -> np.ndarray:
        """A frame as [H, W, 3] uint8 RGB with square pixels, turned as it is meant; `width` is its largest, px."""
        full = frame.width * float(self._stream.sample_aspect_ratio or 1)
        scale = 1.0 if width is None else min(1.0, width / full)
        size = (max(2, round(full * scale)), max(2, round(frame.height * scale)))
        picture = frame.reformat(*size, format="rgb24").to_ndarray()
        return np.ascontiguousarray(np.rot90(picture, frame.rotation // 90)) if frame.rotation else picture

    def _seek(self, stream: Any, time: float) -> None:
        self._container.seek(int(time / stream.time_base), stream=stream, backward=True)

    def _decode(self, stream: Any) -> Iterator[Any]:
        """Frames of a stream; packets that cannot be decoded are noted in `damage` and left out."""
        time = 0.0
        packets = self._container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:  # the file ends in the middle of something
                self.damage.append(time)
                return
            if packet.pts is not None:
                time = float(packet.pts * packet.time_base)
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self.damage.append(time)


def _mono(frame: av.AudioFrame) -> np.ndarray:
    """An audio frame's samples float32 [S], all channels as one."""
    (converted,) = av.AudioResampler("fltp", frame.layout, frame.sample_rate).resample(frame)
    return converted.to_ndarray().mean(0)


def _lay(buffer: np.ndarray, samples: np.ndarray, place: int) -> None:
    """Put samples at a place of the buffer, as far as they lie inside."""
    first, last = max(place, 0), min(place + len(samples), len(buffer))
    if first < last:
        buffer[first:last] = samples[first - place : last - place]
