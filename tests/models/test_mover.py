"""The mover: every frame of every row by its own conditions, at any size, and nothing at first."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from emo_core.backend import Backend
from emo_core.checkpoints.shapes import derive_config
from emo_core.models.emo import Emo
from emo_core.models.mover import TOKENS, WAYS, Mover
from emo_core.modules.conditions import PORTRAIT, Batch, Features
from emo_core.training.initialise import initialise
from emo_core.training.tiny import tiny_config

CONFIG = tiny_config()
CHANNELS, FRAMES = CONFIG.unet.latent_channels, 3


@pytest.fixture
def mover() -> Mover:
    """With random weights in its last layer, which is zero before training."""
    emo = Emo(CONFIG, backend=Backend())
    initialise(emo, 0)
    made = emo.backbone.mover
    assert made is not None
    nn.init.normal_(made.conv_out.weight, std=0.1)
    return made.eval()


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def features(seed: int, side: int = 16, tokens: int = TOKENS) -> Features:
    assert CONFIG.speed is not None
    return Features(
        audio=random(seed, FRAMES, tokens, CONFIG.audio.token_width),
        face=random(seed + 1, 1, CHANNELS, side, side),
        speed=random(seed + 2, FRAMES, CONFIG.speed.width),
    )


@torch.inference_mode()
def flow(mover: Mover, rows: list[Features], side: int = 16) -> Tensor:
    portraits = torch.cat([random(90 + index, 1, CHANNELS, side, side) for index in range(len(rows))])
    return mover(portraits, Batch(rows, FRAMES)).unflatten(0, (len(rows), FRAMES))


@pytest.mark.parametrize("side", [8, 16, 40])
def test_there_is_a_flow_for_each_frame_at_any_size(mover: Mover, side: int) -> None:
    made = flow(mover, [features(0, side)], side)
    assert made.shape == (1, FRAMES, 2, side, side)
    assert made.isfinite().all()


def test_rows_of_a_batch_are_what_they_are_alone(mover: Mover) -> None:
    rows = [features(0), dataclasses.replace(features(10), audio=None), dataclasses.replace(features(20), speed=None)]
    together = flow(mover, rows)
    torch.testing.assert_close(together[:1], flow(mover, rows[:1]), atol=1e-4, rtol=1e-4)
    rest = [rows[0], Features(), Features()]
    assert not torch.allclose(flow(mover, rest)[1:], together[1:], atol=1e-3)
    torch.testing.assert_close(flow(mover, rest)[:1], together[:1], atol=1e-4, rtol=1e-4)


def test_another_sound_in_one_frame_moves_that_frame_alone(mover: Mover) -> None:
    row = features(0)
    assert row.audio is not None
    other = row.audio.clone()
    other[1] += 1
    before, after = flow(mover, [row]), flow(mover, [dataclasses.replace(row, audio=other)])
    changed = [not torch.allclose(a, b, atol=1e-5) for a, b in zip(before[0], after[0], strict=True)]
    assert changed == [False, True, False]


def test_the_strength_of_sound_reaches_it(mover: Mover) -> None:
    row = features(0)
    silent, off = dataclasses.replace(row, audio=None), dataclasses.replace(row, audio_gain=0.0)
    torch.testing.assert_close(flow(mover, [off]), flow(mover, [silent]))
    assert not torch.allclose(flow(mover, [row]), flow(mover, [silent]), atol=1e-3)


def test_known_turns_take_the_place_of_sound_and_speed_in_their_row_alone(mover: Mover) -> None:
    rows = [features(0), features(10)]
    turns = random(30, FRAMES, WAYS)
    known = flow(mover, [rows[0], dataclasses.replace(rows[1], turns=turns)])
    torch.testing.assert_close(known[:1], flow(mover, rows)[:1])
    other = flow(mover, [rows[0], dataclasses.replace(features(20), turns=turns)])
    torch.testing.assert_close(known[1], other[1])
    frames = dataclasses.replace(rows[1], turns=turns).at(range(1, 3)).turns
    assert frames is not None
    assert frames.equal(turns[1:])
    with torch.inference_mode():
        ways = mover.ways(random(91, 1, CHANNELS, 16, 16))[0]
    torch.testing.assert_close(known[1], torch.einsum("fk,kchw->fchw", turns, ways), atol=1e-4, rtol=1e-4)


def test_the_ways_belong_to_the_portrait_and_frames_go_along_them(mover: Mover) -> None:
    """All frames of a row move within as many dimensions as there are ways."""
    long = 2 * WAYS
    assert CONFIG.speed is not None
    row = Features(
        audio=random(3, long, TOKENS, CONFIG.audio.token_width), speed=random(4, long, CONFIG.speed.width)
    )
    with torch.inference_mode():
        made = mover(random(5, 1, CHANNELS, 16, 16), Batch([row], long))
    assert torch.linalg.matrix_rank((made - made.mean(0)).flatten(1).double(), rtol=1e-5) == WAYS


def test_before_training_the_backbone_is_what_it_is_without(mover: Mover) -> None:
    with_it = Emo(CONFIG, backend=Backend())
    initialise(with_it, 0)
    config = dataclasses.replace(CONFIG, reference=dataclasses.replace(CONFIG.reference, mover=False))
    without = Emo(config, backend=Backend())
    without.load_state_dict({name: value for name, value in with_it.state_dict().items() if ".mover" not in name})
    latents = random(1, FRAMES, CHANNELS, 16, 16)
    both = features(0, tokens=CONFIG.audio.tokens + TOKENS)
    row = dataclasses.replace(both, reference={PORTRAIT: random(2, 1, CHANNELS, 16, 16)})
    assert row.audio is not None
    unmoved = dataclasses.replace(row, audio=row.audio[:, :-TOKENS])
    for name in ("weight", "bias"):
        theirs = getattr(with_it.backbone.conv_out, name)
        nn.init.normal_(theirs, std=0.05)
        getattr(without.backbone.conv_out, name).data.copy_(theirs)
    with torch.inference_mode():
        ours, theirs = (
            emo.eval().backbone(latents, torch.tensor([500.0]), [shown], temporal=False)
            for emo, shown in ((with_it, row), (without, unmoved))
        )
    torch.testing.assert_close(ours, theirs)


def test_shapes_tell_whether_a_file_has_it() -> None:
    backbone = Emo(CONFIG, backend=Backend(device="meta"))
    shapes = {name.removeprefix("encoders."): tuple(value.shape) for name, value in backbone.state_dict().items()}
    assert derive_config(CONFIG, shapes, {}).reference.mover
    assert not derive_config(CONFIG, {n: s for n, s in shapes.items() if "mover" not in n}, {}).reference.mover
