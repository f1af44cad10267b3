"""What tokens tell is heard louder, and nothing else is."""

from __future__ import annotations

import pytest
import torch
from training.moving_model import moving_model

from emo_core.models.emo import Emo
from emo_core.training.emphasis import Emphasis, as_matrix, emphasise
from emo_core.training.telling import TOLD, Telling

HEAR = ("audio_attn.to_k.weight", "audio_attn.to_v.weight", "expressions.audio_proj.weight")


@pytest.fixture
def model() -> Emo:
    return moving_model()


def keys_and_values(model: Emo, tokens: torch.Tensor) -> list[torch.Tensor]:
    """Keys and values of all audio attention."""
    layers = [m for name, m in model.backbone.named_modules() if name.endswith("audio_attn")]
    assert layers
    return [project(tokens) for layer in layers for project in (layer.to_k, layer.to_v)]


def close(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(one, two, strict=True))


def test_a_gain_of_two_is_as_if_the_tokens_told_twice_as_much(model: Emo) -> None:
    tokens = torch.randn(5, 2, 16, generator=torch.Generator().manual_seed(0))
    told = Telling(model.config.audio).directions[:, list(TOLD).index("brow")]
    twice = tokens + (tokens @ told)[..., None] * told
    expected = keys_and_values(model, twice)
    assert not close(keys_and_values(model, tokens), expected)
    emphasise(model, as_matrix({"brow": 2.0}))
    assert close(keys_and_values(model, tokens), expected)


def test_what_tokens_hold_beside_it_is_heard_as_before(model: Emo) -> None:
    tokens = torch.randn(5, 2, 16, generator=torch.Generator().manual_seed(1))
    directions = Telling(model.config.audio).directions
    beside = tokens - tokens @ directions @ directions.T
    before = keys_and_values(model, beside)
    emphasise(model, as_matrix(dict.fromkeys(TOLD, 3.0)))
    assert close(keys_and_values(model, beside), before)


def test_the_inverse_gain_takes_it_back(model: Emo) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    matrix = as_matrix({"width": {"width": 1.9, "round": 1.1, "open": -0.3}, "brow": 2.6})
    emphasise(model, matrix)
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert changed == {n for n in before if n.endswith(HEAR)}
    emphasise(model, matrix.inverse())
    assert all(torch.allclose(value, before[name], atol=1e-6) for name, value in model.state_dict().items())


def test_a_track_can_hear_what_is_told_of_another(model: Emo) -> None:
    tokens = torch.randn(5, 2, 16, generator=torch.Generator().manual_seed(2))
    directions = Telling(model.config.audio).directions
    width, round_ = (directions[:, list(TOLD).index(name)] for name in ("width", "round"))
    expected = keys_and_values(model, tokens + (tokens @ (width + 0.5 * round_))[..., None] * width)
    emphasise(model, as_matrix({"width": {"width": 2.0, "round": 0.5}}))
    assert close(keys_and_values(model, tokens), expected)


@pytest.mark.parametrize(
    ("emphasis", "message"),
    [
        ({"smile": 2.0}, "gain of 'smile' in 'smile' is 2"),
        ({"open": 0.0}, "is 0.0: give"),
        ({"width": {"smile": 0.5}}, "gain of 'smile' in 'width' is 0.5"),
        ({"width": {"round": 1.0}, "round": {"width": 1.0}}, "makes two tracks sound alike"),
    ],
)
def test_gains_that_mean_nothing_are_refused_and_nothing_changes(
    model: Emo, emphasis: Emphasis, message: str
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        emphasise(model, as_matrix({"brow": 2.0} | emphasis))
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
