"""Stock nodes on our MODEL: each runs in the real host and changes the result as it should."""

from collections.abc import Iterator

import pytest
import torch
from stock import Studio, differs

pytestmark = pytest.mark.host


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    """The host runs nodes this way."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def plain(studio: Studio) -> torch.Tensor:
    """What the stock KSampler makes of the unpatched MODEL."""
    with torch.inference_mode():
        return studio.sample()


def test_the_stock_sampler_is_repeatable_and_hears_the_sound(studio: Studio, plain: torch.Tensor) -> None:
    assert torch.equal(plain, studio.sample())
    assert differs(plain, studio.sample(positive=studio.reference_only))
    assert differs(plain, studio.sample(negative=studio.reference_only))


@pytest.mark.parametrize(
    ("node_id", "inputs"),
    [
        ("FreeU_V2", {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}),
        ("FreeU", {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}),
        ("PerturbedAttentionGuidance", {"scale": 3.0}),
        ("SelfAttentionGuidance", {"scale": 0.5, "blur_sigma": 2.0}),
        ("RescaleCFG", {"multiplier": 0.7}),
    ],
)
def test_a_patched_model_makes_another_video(studio: Studio, plain: torch.Tensor, node_id: str, inputs: dict) -> None:
    assert differs(plain, studio.sample(studio.patched(node_id, **inputs)))
    assert torch.equal(plain, studio.sample()), "the MODEL that was patched has changed itself"


@pytest.mark.parametrize(
    ("node_id", "inputs"),
    [
        ("FreeU_V2", {"b1": 1.0, "b2": 1.0, "s1": 1.0, "s2": 1.0}),
        ("PerturbedAttentionGuidance", {"scale": 0.0}),
        ("SelfAttentionGuidance", {"scale": 0.0, "blur_sigma": 2.0}),
        ("RescaleCFG", {"multiplier": 0.0}),
    ],
)
def test_a_patch_of_no_strength_changes_nothing(
    studio: Studio, plain: torch.Tensor, node_id: str, inputs: dict
) -> None:
    torch.testing.assert_close(studio.sample(studio.patched(node_id, **inputs)), plain, atol=1e-3, rtol=1e-3)
