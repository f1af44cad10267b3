"""wav2vec 2.0 and Whisper from the files users have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..audio.encoders import AudioEncoder
from ..audio.mel_conv import MelConvEncoder
from ..audio.wav2vec2 import Wav2Vec2, Wav2Vec2Config
from ..audio.whisper import WhisperConfig, WhisperEncoder, sinusoids
from ..backend import Backend
from ..config import AudioConfig
from .companions import WAV2VEC2_KEYS, WHISPER_KEYS
from .errors import CheckpointError
from .files import read_tensors
from .load import fill, on_meta

_LENGTH, _DIRECTION = "encoder.pos_conv_embed.conv.weight_g", "encoder.pos_conv_embed.conv.weight_v"
_POSITIONS = "embed_positions.weight"


@dataclass(frozen=True)
class AudioEncoderFile:
    """An audio encoder's sizes and tensors under our names."""

    config: Wav2Vec2Config | WhisperConfig | AudioConfig
    tensors: dict[str, Tensor]

    @property
    def kind(self) -> str:
        """What `AudioConfig.encoder` calls it."""
        kinds = {Wav2Vec2Config: "wav2vec2", WhisperConfig: "whisper", AudioConfig: "mel_conv"}
        return kinds[type(self.config)]

    def empty(self, backend: Backend) -> AudioEncoder:
        """The network of this config without its tensors, for a host that fills it."""
        if isinstance(self.config, Wav2Vec2Config):
            return Wav2Vec2(self.config, backend=backend)
        if isinstance(self.config, WhisperConfig):
            return WhisperEncoder(self.config, backend=backend)
        return MelConvEncoder(self.config, backend=backend)

    def build(self, backend: Backend) -> AudioEncoder:
        """The network with its tensors."""
        return fill(self.empty(on_meta(backend)), self.tensors, "audio encoder")


def open_audio_encoder(
    path: Path, *, heads: int | None = None, dtype: torch.dtype | None = None
) -> AudioEncoderFile:
    """Read a wav2vec 2.0 base or a Whisper encoder, whichever the file's tensors are.

    heads: if they are not 64 values wide. Raises CheckpointError for other networks.
    """
    try:
        return audio_encoder_of(read_tensors(path, dtype), heads)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error


def audio_encoder_of(tensors: Mapping[str, Tensor], heads: int | None = None) -> AudioEncoderFile:
    """The encoder whose published tensors these are."""
    if any(key.endswith("feature_extractor.conv_layers.0.conv.weight") for key in tensors):
        ours = _joined(WAV2VEC2_KEYS.apply(tensors))
        return AudioEncoderFile(Wav2Vec2Config.from_shapes(_shapes(ours), heads), ours)
    ours = WHISPER_KEYS.apply(tensors)
    config = WhisperConfig.from_shapes(_shapes(ours), heads)
    if _POSITIONS not in ours:
        like = ours["conv1.weight"]
        ours[_POSITIONS] = sinusoids(config.positions, config.width).to(like)
    return AudioEncoderFile(config, ours)


def _joined(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The position convolution's weights from their length (per kernel place) and direction."""
    if _LENGTH not in tensors or _DIRECTION not in tensors:
        return tensors  # already joined
    length, direction = tensors[_LENGTH].float(), tensors[_DIRECTION].float()
    weight = direction * (length / direction.norm(dim=(0, 1), keepdim=True))
    rest = {key: value for key, value in tensors.items() if key not in (_LENGTH, _DIRECTION)}
    return {**rest, _DIRECTION.removesuffix("_v"): weight.to(tensors[_DIRECTION].dtype)}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in tensors.items()}
