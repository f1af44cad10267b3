"""The invisible mark holds what videos go through, and is not seen where it is not."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from emo_core.provenance.detect import Evidence, Finding
from emo_core.provenance.watermark import Watermark, Waves

from . import clips


def finding(clip: Tensor, key: bytes | None = None) -> Finding:
    evidence = Evidence()
    evidence.add(clip)
    return evidence.finding() if key is None else evidence.finding(key)


@pytest.fixture(scope="module", params=[128, 256])
def marked(request: pytest.FixtureRequest) -> Tensor:
    return Watermark().mark(clips.portrait(request.param))


ATTACKS: dict[str, Callable[[Tensor], Tensor]] = {
    "CRF 28": lambda clip: clips.encoded(clip, 28),
    "encoded twice": lambda clip: clips.encoded(clips.encoded(clip, 18), 23),
    "halved": lambda clip: clips.encoded(clips.halved(clip), 23),
    "cropped": lambda clip: clips.encoded(clips.cropped(clip), 23),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_mark_is_found_after(marked: Tensor, attack: Callable[[Tensor], Tensor]) -> None:
    found = finding(attack(marked))
    assert found.marked
    assert found.bits > 0.8


@pytest.mark.parametrize("size", [128, 256])
def test_the_mark_is_as_faint_as_asked(size: int) -> None:
    clip = clips.portrait(size, 2)
    error = (Watermark(43.0).mark(clip) - clip).square().mean()
    assert -10 * math.log10(error) == pytest.approx(
        43.0, abs=0.5
    )  # clipping at black and white takes a little


def test_a_crop_says_how_much_is_left(marked: Tensor) -> None:
    assert finding(clips.cropped(marked)).kept == pytest.approx((0.9, 0.9), abs=0.02)


@pytest.mark.parametrize("size", [64, 256])
def test_nothing_is_found_without_a_mark(size: int) -> None:
    assert not finding(clips.portrait(size, 5)).marked


def test_another_key_finds_nothing(marked: Tensor) -> None:
    assert not finding(marked, b"somebody else's").marked


@pytest.mark.parametrize(
    "clip", [torch.zeros(3, 64, 64, 3), torch.ones(1, 16, 300, 3), torch.full((1, 1, 1, 3), 0.5)]
)
def test_flat_and_tiny_pictures_are_no_evidence(clip: Tensor) -> None:
    assert not finding(clip).marked


def test_chance_is_bounded_as_stated() -> None:
    """For a fixed picture and keys drawn at random, scores above z are no more frequent than exp(-z² / 2)."""
    evidence = Evidence()
    evidence.add(clips.portrait(128, 3))
    scores = torch.tensor([whole_frame_score(evidence, f"key {number}".encode()) for number in range(400)])
    assert abs(scores.mean()) < 0.2
    assert scores.std() == pytest.approx(1.0, abs=0.15)
    for z in (1.0, 2.0, 3.0):
        assert (scores > z).float().mean() <= math.exp(-z * z / 2)


def whole_frame_score(evidence: Evidence, key: bytes) -> float:
    """Standard deviations of agreement with a key, without looking for crops."""
    agreement = Waves.of(32, key).agreement(evidence.total[0, 0])
    return float(agreement.real.sum()) / math.sqrt(len(agreement) / 2)


def test_marking_does_not_depend_on_how_frames_are_grouped() -> None:
    clip = clips.portrait(64, 5)
    mark = Watermark()
    torch.testing.assert_close(torch.cat([mark.mark(clip[:2]), mark.mark(clip[2:])]), Watermark().mark(clip))


def test_no_frames_are_named() -> None:
    with pytest.raises(ValueError, match="no frames to look at"):
        Evidence().finding()


def test_pictures_with_transparency_are_named() -> None:
    with pytest.raises(ValueError, match=r"want \[frames, height, width, 3\]"):
        Watermark().mark(torch.zeros(1, 8, 8, 4))
