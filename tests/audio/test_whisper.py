"""Whisper's encoder and log-mel answer like those in transformers."""

from __future__ import annotations

import pytest
import torch

from emo_core.audio.whisper import PIECE, WhisperEncoder, log_mel, mel_filters, sinusoids
from emo_core.backend import Backend
from emo_core.checkpoints.audio_encoders import audio_encoder_of

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    """A small random Whisper of transformers."""
    torch.manual_seed(0)
    sizes = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64}
    sizes |= {"decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 64, "num_mel_bins": 80}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    return transformers.WhisperModel(transformers.WhisperConfig(**sizes, **tokens, vocab_size=8)).eval()


def ours(tensors: dict[str, torch.Tensor]) -> WhisperEncoder:
    encoder = audio_encoder_of(tensors, heads=4).build(Backend())
    assert isinstance(encoder, WhisperEncoder)
    return encoder


@torch.inference_mode()
def test_states_are_those_of_transformers_but_for_the_last_norm(model: torch.nn.Module) -> None:
    mel = torch.randn(80, PIECE, generator=torch.Generator().manual_seed(1))
    states = ours(model.state_dict()).states(mel)
    expected = model.encoder(mel[None], output_hidden_states=True)
    torch.testing.assert_close(states[:, 0], expected.hidden_states[0][0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(states[:, 1], expected.hidden_states[1][0], rtol=1e-4, atol=1e-5)
    last = model.encoder.layer_norm(states[:, -1])
    torch.testing.assert_close(last, expected.last_hidden_state[0], rtol=1e-4, atol=1e-5)


def test_openai_names_load_too(model: torch.nn.Module) -> None:
    names = {"layers.": "blocks.", "self_attn.q_proj": "attn.query", "self_attn.k_proj": "attn.key"}
    names |= {
        "self_attn.v_proj": "attn.value",
        "self_attn.out_proj": "attn.out",
        "fc1": "mlp.0",
        "fc2": "mlp.2",
    }
    names |= {"self_attn_layer_norm": "attn_ln", "final_layer_norm": "mlp_ln"}
    openai = {}
    for key, value in model.encoder.state_dict().items():
        for new, old in names.items():
            key = key.replace(new, old)
        key = {"layer_norm.weight": "ln_post.weight", "layer_norm.bias": "ln_post.bias"}.get(key, key)
        openai["encoder." + key] = value
    positions = openai.pop("encoder.embed_positions.weight")
    openai["decoder.ln.weight"] = torch.zeros(32)
    torch.testing.assert_close(ours(openai).embed_positions.weight, sinusoids(1500, 32))
    openai["encoder.positional_embedding"] = positions
    first, second = ours(openai).state_dict(), ours(model.state_dict()).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in second)


def test_filters_are_those_of_transformers() -> None:
    extractor = transformers.WhisperFeatureExtractor()
    expected = torch.from_numpy(extractor.mel_filters).T.float()
    torch.testing.assert_close(mel_filters(80), expected, rtol=1e-5, atol=1e-8)


def test_log_mel_is_that_of_transformers_on_a_full_piece() -> None:
    sound = torch.randn(30 * 16000, generator=torch.Generator().manual_seed(2)) * 0.1
    expected = transformers.WhisperFeatureExtractor()(sound.numpy(), sampling_rate=16000).input_features[0]
    torch.testing.assert_close(log_mel(sound), torch.from_numpy(expected), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_every_piece_of_30_s_keeps_half_its_mel_frames(model: torch.nn.Module) -> None:
    sound = torch.randn(31 * 16000 + 160, generator=torch.Generator().manual_seed(3))
    assert ours(model.state_dict())(sound).shape == (1500 + 50, 3, 32)
