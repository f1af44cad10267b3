"""What tokens tell is heard louder, and nothing else is."""

from __future__ import annotations

import pytest
import torch
from training.moving_model import moving_model

from emo_core.models.emo import Emo
from emo_core.training.emphasis import emphasise
from emo_core.training.telling import TOLD, Telling


@pytest.fixture
def model() -> Emo:
    return moving_model()


def heard(model: Emo, tokens: torch.Tensor) -> list[torch.Tensor]:
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
    expected = heard(model, twice)
    assert not close(heard(model, tokens), expected)
    emphasise(model, {"brow": 2.0})
    assert close(heard(model, tokens), expected)


def test_what_tokens_hold_beside_it_is_heard_as_before(model: Emo) -> None:
    tokens = torch.randn(5, 2, 16, generator=torch.Generator().manual_seed(1))
    directions = Telling(model.config.audio).directions
    beside = tokens - tokens @ directions @ directions.T
    before = heard(model, beside)
    emphasise(model, dict.fromkeys(TOLD, 3.0))
    assert close(heard(model, beside), before)


def test_the_inverse_gain_takes_it_back(model: Emo) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    emphasise(model, {"width": 1.9, "brow": 2.6})
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert changed == {n for n in before if n.endswith(("audio_attn.to_k.weight", "audio_attn.to_v.weight"))}
    emphasise(model, {"width": 1 / 1.9, "brow": 1 / 2.6})
    assert all(torch.allclose(value, before[name], atol=1e-6) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("gains", "message"), [({"smile": 2.0}, "gain of 'smile' is 2"), ({"open": 0.0}, "is 0.0: give")]
)
def test_gains_that_mean_nothing_are_refused_and_nothing_changes(
    model: Emo, gains: dict[str, float], message: str
) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        emphasise(model, {"brow": 2.0} | gains)
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
