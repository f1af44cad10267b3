"""Our own format: one .safetensors with everything, its config in the metadata."""

from __future__ import annotations

from ..config import EmoConfig
from .family import Family, Marks
from .keymap import KeyMap

CONFIG_KEY = "emo_config"
"""Metadata: JSON of `EmoConfig.to_dict()`."""
PROVENANCE_KEY = "emo_provenance"
"""Metadata: JSON of where the weights come from."""

EMO = Family(
    name="emo",
    title="EMO",
    marks=Marks(present=("backbone.conv_in.weight", "reference_net.conv_in.weight")),
    key_map=KeyMap(
        {
            "reference_net.{name}": "reference_net.{name}",
            "backbone.{name}": "backbone.{name}",
            "face_locator.{name}": "face_locator.{name}",
            "audio_projection.{name}": "audio_projection.{name}",
            "speed_encoder.{name}": "speed_encoder.{name}",
            "mover_projection.{name}": "mover_projection.{name}",
            "context_projection.{name}": "context_projection.{name}",
            "audio_encoder.{name}": "audio_encoder.{name}",
            "vae.{name}": "vae.{name}",
            "head_finder.{name}": "head_finder.{name}",
        }
    ),
    config=EmoConfig(),
    releases=(),
)
