"""Animator and the face region: a model with a head finder brings the portrait's head there, others leave it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support import random_checkpoint
from torch import Tensor

from emo_core.animate import Animator, Face, Wish
from emo_core.face.placing import placed
from emo_core.media.video import Sound

SIZE = 64
HEAD = (0.25, 0.25, 0.75, 0.75)
"""Where the finder of these tests sees a head in every picture, in shares."""
WISH = Wish(seed=3, steps=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same model with a head finder and, as files from before it, without."""
    folder = tmp_path_factory.mktemp("models")
    random_checkpoint(folder / "with.safetensors", head=HEAD)
    random_checkpoint(folder / "without.safetensors")
    return folder / "with.safetensors", folder / "without.safetensors"


@pytest.fixture(scope="module")
def portrait() -> Tensor:
    return torch.rand(SIZE, SIZE, 3, generator=torch.Generator().manual_seed(1))


def mask(x0: int, y0: int, x1: int, y1: int) -> Tensor:
    painted = torch.zeros(SIZE, SIZE)
    painted[y0:y1, x0:x1] = 1
    return painted


def frames(file: Path, portrait: Tensor, **options: Tensor | Face | None) -> Tensor:
    noise = 0.1 * torch.randn(1, 6 * 640, generator=torch.Generator().manual_seed(2))
    return torch.cat(list(Animator.open(file).animate(portrait, Sound(noise, 16000), WISH, **options)))


def test_a_head_elsewhere_is_animated_in_its_region(files: tuple[Path, Path], portrait: Tensor) -> None:
    there = mask(4, 8, 40, 44)
    moved = placed(portrait, torch.tensor(HEAD) * SIZE, torch.tensor([4.0, 8.0, 40.0, 44.0]))
    assert (moved - portrait).abs().max() > 0.1
    made = frames(files[0], portrait, mask=there)
    torch.testing.assert_close(made, frames(files[1], moved, mask=there), atol=1e-4, rtol=0)
    torch.testing.assert_close(made, frames(files[0], portrait, face=Face(mask=there)), atol=0, rtol=0)


def test_files_without_a_finder_leave_the_head_where_it_is(files: tuple[Path, Path], portrait: Tensor) -> None:
    there = mask(4, 8, 40, 44)
    assert Animator.open(files[1]).head_finder is None
    assert not torch.allclose(frames(files[0], portrait, mask=there), frames(files[1], portrait, mask=there))


def test_a_head_in_its_region_is_left_bit_for_bit(files: tuple[Path, Path], portrait: Tensor) -> None:
    around = mask(12, 14, 52, 50)
    assert torch.equal(frames(files[0], portrait, mask=around), frames(files[1], portrait, mask=around))


def test_where_the_finder_contradicts_itself_no_head_is_moved(
    files: tuple[Path, Path], tmp_path: Path, portrait: Tensor
) -> None:
    random_checkpoint(tmp_path / "unsure.safetensors", head=(0.0, 0.1, 0.3, 0.4))  # on the left in mirror images too
    there = mask(4, 8, 40, 44)
    unsure, without = tmp_path / "unsure.safetensors", files[1]
    assert torch.equal(frames(unsure, portrait, mask=there), frames(without, portrait, mask=there))


def test_without_a_mask_no_head_is_moved(files: tuple[Path, Path], tmp_path: Path, portrait: Tensor) -> None:
    random_checkpoint(tmp_path / "corner.safetensors", head=(0.4, 0.0, 0.6, 0.2))
    assert torch.equal(frames(tmp_path / "corner.safetensors", portrait), frames(files[1], portrait))
