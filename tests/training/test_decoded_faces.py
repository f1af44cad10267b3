"""Mouths and eyes are compared as they look, where they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from emo_core.backend import Backend
from emo_core.config import VaeConfig
from emo_core.models.vae import AutoencoderKL
from emo_core.training.decoded_faces import CELLS, DecodedFaces

PICTURE = 24
PLACES = torch.tensor([[[15.0, 17.0], [12.0, 10.0], [18.0, 10.0]]])
ONE = torch.ones(1)


@pytest.fixture(scope="module")
def faces() -> DecodedFaces:
    torch.manual_seed(0)
    config = VaeConfig(channels=(8, 8, 16), layers_per_block=1, latent_channels=4, groups=4, scaling=1.0)
    return DecodedFaces(AutoencoderKL(config, backend=Backend()), PICTURE)


@pytest.fixture
def truth() -> Tensor:
    return torch.randn(1, 4, PICTURE, PICTURE, generator=torch.Generator().manual_seed(1))


def changed_at(truth: Tensor, x: int, y: int) -> Tensor:
    changed = truth.clone()
    changed[:, :, y, x] += 3
    return changed


def test_equal_latents_do_not_differ(faces: DecodedFaces, truth: Tensor) -> None:
    assert faces.difference(truth, truth, PLACES, ONE).item() == 0


def test_a_mouth_counts_more_than_a_cheek_and_hair_not_at_all(faces: DecodedFaces, truth: Tensor) -> None:
    at_mouth, at_edge, hair = (
        faces.difference(changed_at(truth, x, y), truth, PLACES, ONE).item() for x, y in ((15, 17), (8, 19), (1, 1))
    )
    assert at_mouth > 2 * at_edge > 0
    assert hair == 0  # it is not even decoded


def test_a_face_at_the_picture_s_edge_is_compared_where_it_is(faces: DecodedFaces, truth: Tensor) -> None:
    """The part that is decoded stops at the edge; the places inside it must move with it."""
    away = PLACES + torch.tensor([PICTURE - 19.0, 5.0])  # the mouth at (20, 22)
    at_mouth, at_edge = (
        faces.difference(changed_at(truth, x, y), truth, away, ONE).item() for x, y in ((20, 22), (PICTURE - CELLS, 9))
    )
    assert at_mouth > 2 * at_edge


def test_rows_count_as_much_as_they_are_said_to(faces: DecodedFaces, truth: Tensor) -> None:
    both, other = torch.cat([truth, truth]), torch.cat([changed_at(truth, 15, 17), truth])
    whole, tenth = (
        faces.difference(other, both, PLACES.expand(2, -1, -1), torch.tensor([count, 1.0])).item() for count in (1, 0.1)
    )
    assert tenth == pytest.approx(0.1 * whole, rel=1e-5)


def test_it_teaches_latents_to_look_like_others_and_leaves_the_decoder_be(faces: DecodedFaces, truth: Tensor) -> None:
    guess = changed_at(truth, 15, 17).requires_grad_()
    optimizer = torch.optim.Adam([guess], 0.1)
    before = {name: value.clone() for name, value in faces.vae.state_dict().items()}
    first = faces.difference(guess, truth, PLACES, ONE).item()
    for _ in range(60):
        loss = faces.difference(guess, truth, PLACES, ONE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first
    assert all(value.equal(before[name]) for name, value in faces.vae.state_dict().items())
    assert all(value.grad is None for value in faces.vae.parameters())
