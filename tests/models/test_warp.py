"""The warp: cells are mixed at first; each picture by its own flow, at any size; the shipped one is near the truth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from emo_core.animate import BUILT_IN, Animator
from emo_core.backend import Backend
from emo_core.checkpoints.shapes import derive_config
from emo_core.models.emo import Emo
from emo_core.models.warp import FINE, PARTS, Warp, moved
from emo_core.modules.conditions import PORTRAIT, Features
from emo_core.training.initialise import initialise
from emo_core.training.synthetic.drawn import drawn_portrait
from emo_core.training.synthetic.types import FaceState
from emo_core.training.tiny import tiny_config

CONFIG = tiny_config()
CHANNELS, FRAMES = CONFIG.unet.latent_channels, 3


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def flow_of(seed: int, count: int, side: int) -> Tensor:
    return 0.7 * random(seed, count, 2, 1, 1) + 0.3 * random(seed + 1, count, 2, side, side)


def untrained() -> Emo:
    emo = Emo(CONFIG, backend=Backend())
    initialise(emo, 0)
    return emo.eval()


@pytest.fixture
def warp() -> Warp:
    """With random weights in its last layer, which is zero before training."""
    made = untrained().backbone.warp
    assert made is not None
    nn.init.normal_(made.conv_out.weight, std=0.1)
    return made


def test_cells_are_mixed_at_first() -> None:
    made = untrained().backbone.warp
    assert made is not None
    latents, flow = random(0, 2, CHANNELS, 8, 8), flow_of(1, 2, 8)
    with torch.inference_mode():
        assert made(latents, flow).equal(moved(latents, flow))


@pytest.mark.parametrize("side", [8, 11, 32])
def test_pictures_are_moved_as_they_are_alone_at_any_size(warp: Warp, side: int) -> None:
    latents, flow = random(0, FRAMES, CHANNELS, side, side), flow_of(1, FRAMES, side)
    with torch.inference_mode():
        together = warp(latents, flow)
        assert together.shape == latents.shape
        assert not torch.allclose(together, moved(latents, flow), atol=1e-2)
        for index in range(FRAMES):
            alone = warp(latents[index : index + 1], flow[index : index + 1])
            torch.testing.assert_close(together[index : index + 1], alone, rtol=1e-4, atol=1e-4)


def test_unfolded_latents_serve_several_flows(warp: Warp) -> None:
    latents = random(0, 2, CHANNELS, 8, 8)
    with torch.inference_mode():
        unfolded = warp.unfolds(latents)
        assert unfolded.shape == (2, FINE, 8 * PARTS, 8 * PARTS)
        for seed in (1, 2):
            flow = flow_of(seed, 2, 8)
            assert warp(latents, flow, unfolded).equal(warp(latents, flow))


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_maps_finer_than_their_flow_are_moved_by_as_many_cells(parts: int) -> None:
    """A whole picture moved by one cell is moved by `parts` places, wherever it has neighbours."""
    maps = random(0, 1, 2, 8 * parts, 8 * parts)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 1.0
    found = moved(maps, flow)
    torch.testing.assert_close(found[..., :-parts], maps[..., parts:], rtol=1e-4, atol=1e-4)


def test_the_backbone_draws_around_what_the_warp_moves() -> None:
    """An untrained backbone adds nothing: at pure noise what it says is the portrait, as mover and warp bring it."""
    emo = untrained()
    mover, warp = emo.backbone.mover, emo.backbone.warp
    assert mover is not None
    assert warp is not None
    portrait, turns = random(9, 1, CHANNELS, 8, 8), random(10, FRAMES, 12)
    nn.init.normal_(mover.conv_out.weight, std=0.1)
    nn.init.normal_(warp.conv_out.weight, std=0.1)
    row = Features(reference={PORTRAIT: portrait}, turns=turns)
    with torch.inference_mode():
        said = emo.backbone(random(1, FRAMES, CHANNELS, 8, 8), torch.tensor([999.0]), [row], temporal=False)
        flow = torch.einsum("fk,kchw->fchw", turns, mover.ways(portrait)[0])
        wanted = warp(portrait.expand(FRAMES, -1, -1, -1), flow)
    torch.testing.assert_close(-said, wanted, rtol=1e-3, atol=1e-3)  # at pure noise velocity is minus it


def test_shapes_tell_whether_there_is_one() -> None:
    shapes = {
        name.removeprefix("encoders."): tuple(value.shape)
        for name, value in Emo(CONFIG, backend=Backend(device="meta")).state_dict().items()
    }
    assert derive_config(CONFIG, shapes, {}).reference.warp
    without = {name: shape for name, shape in shapes.items() if ".warp." not in name}
    assert not derive_config(CONFIG, without, {}).reference.warp


def test_a_config_from_before_there_was_one_has_none() -> None:
    tree = CONFIG.to_dict()
    del tree["reference"]["warp"]
    assert type(CONFIG).from_dict(tree) == dataclasses.replace(
        CONFIG, reference=dataclasses.replace(CONFIG.reference, warp=False)
    )


def test_the_shipped_one_moves_faces_as_pictures_are_moved() -> None:
    """Faces it has never seen, moved by up to a cell: a third of what mixing cells is wrong by, at most."""
    animator = Animator.open(BUILT_IN)
    warp, vae = animator.backbone.warp, animator.vae
    assert warp is not None
    drawn = [drawn_portrait(10**6 + seed).render(FaceState(open=0.3 * seed), 128)[0] for seed in range(4)]
    pictures = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 127.5 - 1
    flow = flow_of(0, len(pictures), 32).clamp(-1, 1)
    with torch.inference_mode():
        latents, wanted = vae.encode(pictures), vae.encode(moved(pictures, flow))
        errors = [(made - wanted).square().mean() for made in (warp(latents, flow), moved(latents, flow))]
    assert errors[0] < errors[1] / 3
