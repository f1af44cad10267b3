"""The audio encoders of all families under one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor
from torch.nn.functional import pad

from ..config import EmoConfig
from ..media.video import Sound
from .mel_conv import MelConvEncoder
from .rules import RATE, audible, encode_windows, heard_frames, short_sighted_windows
from .wav2vec2 import Wav2Vec2
from .whisper import WhisperEncoder

AudioEncoder = MelConvEncoder | Wav2Vec2 | WhisperEncoder

PROJECTED_FRAMES = 256
"""Windows that are put together and projected at once."""


def encode_states(encoder: AudioEncoder, waveform: Tensor, frames: int | None, layers: int) -> Tensor:
    """The last `layers` states [T, layers, C] of a waveform [S] at 16 kHz; what is between is made in pieces."""
    if isinstance(encoder, Wav2Vec2):
        return encoder(waveform, frames, layers=layers)
    states = encoder.encode(waveform) if isinstance(encoder, MelConvEncoder) else encoder(waveform)
    return states[:, -layers:]


def audio_windows(
    encode: Callable[[Tensor, int | None], Tensor], config: EmoConfig, heard: Sound, frames: int, fps: float
) -> Iterator[Tensor]:
    """Windows [f, K, layers, C] of `heard`, a few frames at a time, for all frames that need sound.

    `encode` is `encode_states` of the family's encoder, wherever that runs.
    """
    waveform = audible(_as_long(heard.mono(RATE), frames, fps), config.audio)
    count = heard_frames(config, frames)
    if config.audio.encoder == "mel_conv" and config.audio.rows == "frames":
        yield from short_sighted_windows(encode, config.audio, waveform, count, fps, PROJECTED_FRAMES)
        return
    windows = encode_windows(encode, config.audio, waveform, count, fps)
    yield from windows.pieces(PROJECTED_FRAMES)


def _as_long(waveform: Tensor, frames: int, fps: float) -> Tensor:
    """A waveform [S] as long as the video: vocals may end before or after the song it is made for."""
    wanted = round(frames / fps * RATE)
    missing = wanted - waveform.shape[0]
    return pad(waveform, (0, missing)) if missing > RATE / fps else waveform[:wanted]
