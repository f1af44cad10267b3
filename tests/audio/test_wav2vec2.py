"""wav2vec 2.0 answers like the one in transformers."""

from __future__ import annotations

import pytest
import torch

from emo_core.audio.wav2vec2 import FIELD, HOP, Wav2Vec2, Wav2Vec2Config
from emo_core.backend import Backend
from emo_core.checkpoints.audio_encoders import audio_encoder_of
from emo_core.checkpoints.errors import UnknownKeyError

transformers = pytest.importorskip("transformers")


def theirs(**changes: object) -> torch.nn.Module:
    """A small random wav2vec 2.0 of transformers, every weight of it set."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
    sizes |= {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    torch.manual_seed(0)
    return transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**(sizes | changes))).eval()


def ours(model: torch.nn.Module) -> Wav2Vec2:
    encoder = audio_encoder_of(model.state_dict(), heads=4).build(Backend())
    assert isinstance(encoder, Wav2Vec2)
    return encoder


@torch.inference_mode()
def test_all_hidden_states_are_those_of_transformers() -> None:
    sound = torch.randn(5000, generator=torch.Generator().manual_seed(1))
    model = theirs()
    expected = model(sound[None], output_hidden_states=True).hidden_states
    states = ours(model)(sound)
    assert states.shape == (1 + (5000 - FIELD) // HOP, 4, 32)
    torch.testing.assert_close(states, torch.stack(expected, dim=2)[0], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_long_sound_in_pieces_gives_the_same_states(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = torch.randn(9000, generator=torch.Generator().manual_seed(2))
    encoder = ours(theirs())
    whole = encoder(sound)
    monkeypatch.setattr(type(encoder.feature_extractor), "pieces_of", 2000)
    torch.testing.assert_close(encoder(sound), whole, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_states_come_at_the_asked_number_of_frames() -> None:
    assert ours(theirs())(torch.randn(5000), 8).shape == (8, 4, 32)


def test_old_and_new_names_of_the_position_convolution_are_one() -> None:
    new = theirs().state_dict()
    old = {}
    for key, value in new.items():
        key = key.replace("parametrizations.weight.original0", "weight_g")
        old["wav2vec2." + key.replace("parametrizations.weight.original1", "weight_v")] = value
    old["lm_head.weight"] = torch.zeros(1)
    first, second = audio_encoder_of(new, heads=4), audio_encoder_of(old, heads=4)
    assert first.config == second.config
    assert set(first.tensors) == set(second.tensors)
    assert all(torch.equal(first.tensors[key], second.tensors[key]) for key in first.tensors)


def test_a_model_with_layer_norms_between_convolutions_is_refused() -> None:
    model = theirs(feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True)
    with pytest.raises(ValueError, match="base model"):
        audio_encoder_of(model.state_dict())


def test_an_unknown_tensor_is_named() -> None:
    with pytest.raises(UnknownKeyError, match=r"adapter\.0"):
        audio_encoder_of({**theirs().state_dict(), "adapter.0": torch.zeros(1)})


def test_sound_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="it needs 400"):
        ours(theirs())(torch.zeros(399))


def test_the_default_config_is_wav2vec2_base() -> None:
    base = transformers.Wav2Vec2Config()
    config = Wav2Vec2Config()
    assert (config.width, config.layers, config.heads) == (
        768,
        base.num_hidden_layers,
        base.num_attention_heads,
    )
    assert config.kernels == tuple(base.conv_kernel)
