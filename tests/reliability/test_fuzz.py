"""Lengths, schedules and every parser of ours, tried with whatever hypothesis thinks of.

Parsers may refuse, with an error of their own that says something; they may not fail in another way.
"""
# ruff: noqa: PT017 (an error is allowed here, not wanted, and must be the right one)

import json
import struct
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emo_core.audio.features import StateTimes, frame_windows
from emo_core.audio.rules import video_length
from emo_core.checkpoints.errors import CheckpointError
from emo_core.checkpoints.files import read_json, read_metadata, read_shapes, read_tensors
from emo_core.checkpoints.keymap import KeyMap
from emo_core.checkpoints.registry import FAMILIES
from emo_core.config import EmoConfig
from emo_core.diffusion.long_video import plan_clips, plan_windows
from emo_core.diffusion.schedule import Schedule
from emo_core.face.speed_curve import speed_curve
from emo_core.media.video import Sound
from emo_core.provenance.statement import statement_in

MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
FEWER = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
CONFIGS = st.sampled_from([family.config for family in FAMILIES])
LENGTHS = st.integers(1, 100_000)


@MANY
@given(
    st.sampled_from([family.config for family in FAMILIES if family.config.long_video.mode == "windows"]),
    LENGTHS,
)
def test_every_frame_is_in_a_window_of_every_familys_preset(config: EmoConfig, frames: int) -> None:
    long, size = config.long_video, config.temporal.clip_frames
    if long.exact_tiling and frames > size:
        frames = size + (frames - size) // (size - long.overlap) * (size - long.overlap)
    counts = Counter(frame for window in plan_windows(frames, size, long) for frame in window)
    assert set(counts) == set(range(frames))
    if frames > size and not long.wrap:
        assert max(counts.values()) <= -(-size // (size - long.overlap))


@MANY
@given(LENGTHS, st.integers(1, 64))
def test_clips_follow_each_other_without_gap_or_overlap(frames: int, size: int) -> None:
    clips = plan_clips(frames, size)
    assert [clip.start for clip in clips] == list(range(0, frames, size))
    assert clips[-1].start < frames <= clips[-1].stop


@MANY
@given(CONFIGS, st.floats(0.2, 4000.0), st.floats(1.0, 120.0))
def test_a_video_is_as_long_as_its_sound_for_every_family(
    config: EmoConfig, seconds: float, fps: float
) -> None:
    try:
        frames, rate = video_length(config, seconds, fps)
    except ValueError as error:
        assert "too short" in str(error)
        return
    assert frames >= 1
    assert abs(frames / rate - seconds) <= max(1.0, config.temporal.clip_frames) / rate + 1e-6


@MANY
@given(
    st.integers(1, 10_000_000),
    st.sampled_from([8000, 16000, 22050, 44100, 48000, 192000]),
    st.floats(1.0, 120.0),
)
def test_the_last_frame_begins_before_the_sound_ends(samples: int, rate: int, fps: float) -> None:
    frames = Sound(torch.zeros(1, 1).expand(1, samples), rate).frames(fps)
    assert (frames - 1) / fps <= samples / rate + 1e-6
    assert frames / fps >= samples / rate - 1e-6


@FEWER
@given(st.integers(1, 300), st.integers(1, 5000), st.floats(1.0, 120.0), st.sampled_from([1, 3, 5]))
def test_audio_windows_are_finite_and_one_per_frame(
    states: int, frames: int, fps: float, window: int
) -> None:
    result = frame_windows(torch.randn(states, 1, 2), StateTimes(), frames, fps, window)
    assert result.shape[0] == frames
    assert torch.isfinite(result).all()


@MANY
@given(CONFIGS, st.integers(1, 1000))
def test_schedules_go_down_to_their_last_step(config: EmoConfig, steps: int) -> None:
    schedule = Schedule.create(config.schedule)
    times = schedule.timesteps(steps)
    assert len(times) == steps
    assert all(0 <= time < len(schedule.alpha_bar) for time in times)
    assert times == sorted(times, reverse=True)


@MANY
@given(st.text(alphabet="0123456789.:,- \neE+naifx", max_size=40), st.integers(1, 500), st.floats(1.0, 120.0))
def test_a_speed_curve_is_finite_or_refused(text: str, frames: int, fps: float) -> None:
    try:
        speeds = speed_curve(text, frames, fps)
    except ValueError:
        return
    assert speeds.shape == (frames,)
    assert torch.isfinite(speeds).all()
    assert (speeds >= 0).all()


@pytest.fixture(scope="module")
def folder() -> Any:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ENTRIES = st.dictionaries(
    st.sampled_from(["a", "backbone.conv_in.weight", "__metadata__", "../x", ""]),
    JSON
    | st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "F16", "I64", "X"]),
            "shape": st.lists(st.integers(-1, 2**62), max_size=3),
            "data_offsets": st.lists(st.integers(-1, 2**63), min_size=2, max_size=2),
        }
    ),
    max_size=4,
)


@MANY
@given(ENTRIES, st.integers(0, 2**63) | st.none(), st.binary(max_size=64))
def test_a_hostile_safetensors_header_is_refused(
    folder: Path, header: Any, length: int | None, data: bytes
) -> None:
    text = json.dumps(header).encode()
    path = folder / "hostile.safetensors"
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    read_all(path)


@MANY
@given(st.binary(max_size=200), st.sampled_from([".safetensors", ".pth", ".bin", ".ckpt"]), st.booleans())
def test_any_bytes_are_read_or_refused(folder: Path, data: bytes, suffix: str, zipped: bool) -> None:
    path = folder / f"any{suffix}"
    path.write_bytes((b"PK\x03\x04" if zipped else b"") + data)
    read_all(path)


def read_all(path: Path) -> None:
    """What the load node does first with a file."""
    for reader in (read_shapes, read_metadata, read_tensors):
        try:
            reader(path)
        except CheckpointError as error:
            assert str(error)


@MANY
@given(st.text(max_size=60) | JSON.map(json.dumps) | st.integers(1, 200_000).map(lambda depth: "[" * depth))
def test_metadata_is_an_object_or_refused(text: str) -> None:
    try:
        assert isinstance(read_json({"key": text}, "key"), dict)
    except CheckpointError as error:
        assert "metadata 'key'" in str(error)


@MANY
@given(JSON | st.dictionaries(st.sampled_from([*EmoConfig().to_dict(), "new"]), JSON, max_size=4))
def test_a_config_from_a_file_is_built_or_refused(data: Any) -> None:
    try:
        EmoConfig.from_dict(data)
    except ValueError as error:
        assert str(error)


@MANY
@given(st.lists(st.from_regex(r"[a-z0-9_.]{1,30}", fullmatch=True), max_size=6, unique=True), st.data())
def test_a_key_map_names_every_key_or_refuses(keys: list[str], data: st.DataObject) -> None:
    family = data.draw(st.sampled_from(FAMILIES))
    assert isinstance(family.key_map, KeyMap)
    try:
        renamed = family.key_map.apply(dict.fromkeys(keys, (1,)))
    except CheckpointError as error:
        assert any(key in str(error) for key in keys)
    else:
        assert len(renamed) <= len(keys)


@MANY
@given(st.dictionaries(st.sampled_from(["emo_provenance", "comment"]), st.text() | JSON.map(json.dumps)))
def test_tags_of_a_foreign_file_are_read_or_ignored(tags: dict[str, str]) -> None:
    statement_in(tags)
