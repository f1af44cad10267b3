"""The visible sign: only where it belongs, readable, refused where it could not be drawn."""

import pytest
import torch

from emo_core.provenance.badge import Badge


@pytest.mark.parametrize(("height", "width"), [(128, 128), (512, 512), (540, 960), (16, 16)])
def test_a_badge_changes_the_lower_right_corner_alone(height: int, width: int) -> None:
    pictures = torch.rand(2, height, width, 3, generator=torch.Generator().manual_seed(0))
    before = pictures.clone()
    marked = Badge("AI").mark(pictures)
    assert torch.equal(pictures, before)
    changed = (marked != pictures).any(-1)
    assert changed.any()
    assert torch.equal(changed[0], changed[1])
    if min(height, width) >= 128:
        assert not changed[:, : height * 3 // 4].any()
        assert not changed[:, :, : width * 3 // 4].any()


def test_its_letters_are_bright_on_a_dark_plate() -> None:
    marked = Badge("AI").mark(torch.full((1, 256, 256, 3), 0.5))[0, 200:, 200:, 0]
    assert marked.max() > 0.95
    assert marked.min() < 0.25


@pytest.mark.parametrize("text", ["", "  ", "人工智能", "x" * 25])
def test_a_text_that_cannot_be_shown_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the badge"):
        Badge(text)
