"""Shards: the same bytes every time, readable as a stream from other places."""

import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
from footage.films import voice

from emo_core.training.footage.output import Output, Part
from emo_core.training.footage.shards import encode_flac, encode_part, read_clips, shard_urls, write_shard
from emo_core.training.footage.videos import Listed


def clip(number: int) -> tuple[str, dict[str, bytes]]:
    parts = {
        "json": {"number": number},
        "flac": (voice(0.3) * number, 16000),
        "latents.npy": np.full((2, 4, 8, 8), number, np.float16),
    }
    return f"clip-{number}", {name: encode_part(name, part) for name, part in parts.items()}


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    write_shard(tmp_path / "a.tar", [clip(1), clip(2)])
    return tmp_path / "a.tar"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The folder over HTTP on this machine, as object storage would serve it."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_the_same_clips_give_the_same_bytes(shard: Path) -> None:
    write_shard(shard.with_name("b.tar"), [clip(1), clip(2)])
    assert shard.with_name("b.tar").read_bytes() == shard.read_bytes()


def test_clips_are_read_as_they_were_written(shard: Path) -> None:
    first, second = read_clips([str(shard)])
    assert (first.key, second.key) == ("clip-1", "clip-2")
    assert second.meta == {"number": 2}
    np.testing.assert_array_equal(second.array("latents"), np.full((2, 4, 8, 8), 2, np.float16))
    assert second.array("states") is None


def test_flac_loses_nothing_of_sixteen_bits(shard: Path) -> None:
    first, _ = read_clips([str(shard)])
    sound = first.sound()
    assert sound.shape == (4800,)
    np.testing.assert_allclose(sound, voice(0.3), atol=1 / 32000)
    assert encode_flac(voice(0.3), 16000) == first.files["flac"]


def test_shards_stream_over_http(shard: Path, server: str) -> None:
    assert [found.meta["number"] for found in read_clips([f"{server}/{shard.name}"])] == [1, 2]


def test_a_prepared_folder_may_lie_in_any_store(shard: Path) -> None:
    place = "memory://prepared"
    output = Output(place)
    (part,) = output.plan([Listed("a.mp4", 5)], {"size": 64})
    output.add_shard("part-00000-000.tar", shard)
    with pytest.raises(FileNotFoundError, match="no prepared footage"):
        shard_urls(place)  # its part is not finished
    output.finish(part, ["part-00000-000.tar"], [{"accepted": True}])
    assert [found.key for found in read_clips(shard_urls(place))] == ["clip-1", "clip-2"]
    fsspec.filesystem("memory").rm("/prepared", recursive=True)


def test_new_videos_become_new_parts_and_old_ones_stay(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    first = output.plan([Listed("b.mp4", 5)], {"size": 64})
    again = output.plan([Listed("a.mp4", 5), Listed("b.mp4", 5)], {"size": 64})
    assert first == [Part("part-00000", ("b.mp4",), 5)]
    assert again == [*first, Part("part-00001", ("a.mp4",), 5)]


def test_parts_are_bounded(tmp_path: Path) -> None:
    videos = [Listed(f"{number}.mp4", 100 << 20) for number in range(5)]
    parts = Output(str(tmp_path)).plan(videos, {})
    assert [len(part.videos) for part in parts] == [2, 2, 1]


def test_a_folder_keeps_to_its_settings(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    output.plan([Listed("a.mp4", 5)], {"size": 64, "fps": 30})
    with pytest.raises(ValueError, match="size 64, now 128"):
        output.plan([Listed("a.mp4", 5)], {"size": 128, "fps": 30})


def test_a_part_is_done_when_its_manifest_is_there(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    (part,) = output.plan([Listed("a.mp4", 5)], {})
    assert not output.is_done(part)
    output.finish(part, [], [{"accepted": False, "reason": "short"}])
    assert output.is_done(part)
    output.write_manifest([part])
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"accepted": False, "reason": "short"}]
