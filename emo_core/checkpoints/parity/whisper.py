"""EchoMimic's way from sound to windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from ...audio.rules import state_row_frames, state_row_windows
from ...audio.whisper import WhisperEncoder, log_mel
from ...backend import Backend
from ..audio_encoders import open_audio_encoder
from ..errors import CheckpointError
from ..files import read_tensors
from .check import EXACT, FORWARD, Check, compare, read_config


def check_whisper(folder: Path) -> Iterator[Check]:
    """Every expected tensor of an audio case."""
    config = read_config(folder)
    dims = config["dims"]
    file = open_audio_encoder(
        folder / "whisper_encoder.safetensors", heads=dims["n_audio_head"], dtype=torch.float32
    )
    encoder = file.build(Backend())
    if not isinstance(encoder, WhisperEncoder):
        raise CheckpointError(f"{folder} holds another audio encoder than Whisper")
    values = read_tensors(folder / "audio.safetensors")
    waveform = values["in.wav_16k"]
    yield compare("out.log_mel", log_mel(waveform, dims["n_mels"]), values["out.log_mel"], FORWARD)
    states = encoder(waveform)
    yield compare("out.features", states[values["out.features_index"]], values["out.features"], FORWARD)
    frames = state_row_frames(states.shape[0], config["fps"])
    counts = torch.tensor([states.shape[0], frames])
    listed = torch.tensor([config["feature_rows"], config["num_video_frames"]])
    yield compare("feature_rows, num_video_frames", counts, listed, EXACT)
    window = config["chunk_shape"][1] // config["feature_shape"][1]
    chunks = state_row_windows(states, frames, config["fps"], window).all().flatten(1, 2)
    yield compare("out.chunks", chunks[values["out.chunks_index"]], values["out.chunks"], FORWARD)
