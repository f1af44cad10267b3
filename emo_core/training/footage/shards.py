"""Clips in WebDataset shards: written a part at a time, read as a stream from anywhere."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from ...media.video import audio_frames
from ...optional import need


def encode_part(extension: str, part: Any) -> bytes:
    """One part of a clip as the content of its file."""
    if isinstance(part, bytes):
        return part
    if extension == "json":
        return json.dumps(part, separators=(",", ":")).encode()
    if extension == "flac":
        return encode_flac(*part)
    buffer = io.BytesIO()
    np.save(buffer, part)
    return buffer.getvalue()


def encode_flac(samples: np.ndarray, rate: int) -> bytes:
    """Mono samples [S] in -1..1 as a FLAC file of 16 bits."""
    import torch

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        stream.codec_context.format = "s16"
        resampler = av.AudioResampler("s16", "mono", rate, frame_size=4096)
        for frame in (*audio_frames(torch.from_numpy(samples)[None], rate), None):
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def write_shard(path: Path, clips: Sequence[tuple[str, dict[str, bytes]]]) -> None:
    """A tar of clips (key, files by extension); the same clips give the same bytes."""
    with need("webdataset", "webdataset").TarWriter(str(path), encoder=False, mtime=0) as writer:
        for key, files in clips:
            writer.write({"__key__": key, **files})


@dataclass(frozen=True)
class PreparedClip:
    """One clip as read from a shard, still encoded where that saves memory."""

    key: str
    meta: dict[str, Any]
    """`KEY.json`."""
    files: dict[str, bytes]

    def frames(self) -> Iterator[np.ndarray]:
        """Pictures uint8 [H, W, 3] one after the other."""
        with av.open(io.BytesIO(self.files["mp4"])) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")

    def sound(self) -> np.ndarray:
        """Samples float32 [S] in -1..1."""
        with av.open(io.BytesIO(self.files["flac"])) as container:
            resampler = av.AudioResampler("flt", "mono", container.streams.audio[0].rate)
            frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames])

    def array(self, name: str) -> np.ndarray | None:
        """The array `name`, latents or states, if it was encoded."""
        data = self.files.get(f"{name}.npy")
        return None if data is None else np.load(io.BytesIO(data), allow_pickle=False)

    def rows(self, name: str) -> np.ndarray:
        """A list of the metadata with one row per frame, float32."""
        return np.array(self.meta[name], np.float32)


def shard_urls(out: str) -> list[str]:
    """All complete shards below a prepared folder, in order."""
    fs, path = need("fsspec", "fsspec").core.url_to_fs(out)
    names = []
    for part in sorted(fs.glob(f"{path.rstrip('/')}/parts/part-*.json")):
        names += json.loads(fs.cat_file(part))["shards"]
    if not names:
        raise FileNotFoundError(f"no prepared footage in {out}: `python -m emo_core prepare VIDEOS {out}`")
    return [fs.unstrip_protocol(f"{path.rstrip('/')}/shards/{name}") for name in names]


def read_clips(urls: Sequence[str]) -> Iterator[PreparedClip]:
    """The clips of shards, streamed one at a time; give each process its own urls."""
    fsspec, tariterators = need("fsspec", "fsspec"), need("webdataset.tariterators", "webdataset")
    for url in urls:
        with fsspec.open(url, "rb") as stream:
            files = tariterators.tar_file_expander([{"url": url, "stream": stream}])
            for sample in tariterators.group_by_keys(files):
                parts = {name: data for name, data in sample.items() if not name.startswith("__")}
                yield PreparedClip(sample["__key__"], json.loads(parts.pop("json")), parts)
