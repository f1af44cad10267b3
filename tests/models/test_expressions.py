"""Expressions: nothing at first, each frame by its own sound, ways from the portrait alone, at any size."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from emo_core.backend import Backend
from emo_core.checkpoints.shapes import derive_config
from emo_core.models.emo import Emo
from emo_core.models.expressions import WAYS, Expressions
from emo_core.modules.conditions import PORTRAIT, Batch, Features
from emo_core.training.initialise import initialise
from emo_core.training.tiny import tiny_config

CONFIG = tiny_config()
CHANNELS, FRAMES = CONFIG.unet.latent_channels, 3


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def heard(seed: int, gain: float = 1.0) -> Features:
    return Features(audio=random(seed, FRAMES, CONFIG.audio.tokens, CONFIG.audio.token_width), audio_gain=gain)


def silent() -> Expressions:
    emo = Emo(CONFIG, backend=Backend())
    initialise(emo, 0)
    made = emo.backbone.expressions
    assert made is not None
    return made.eval()


@pytest.fixture
def expressions() -> Expressions:
    """With random weights in its last layer, which is zero before training."""
    made = silent()
    nn.init.normal_(made.amounts.weight, std=0.1)
    return made


@torch.inference_mode()
def changes(expressions: Expressions, rows: list[Features], first: int = 0, side: int = 8) -> Tensor:
    """[R, F, C, h, w] of rows whose portraits are those of rows `first` and on."""
    portraits = torch.cat([random(90 + first + index, 1, CHANNELS, side, side) for index in range(len(rows))])
    return expressions(portraits, Batch(rows, FRAMES)).unflatten(0, (len(rows), FRAMES))


def test_nothing_changes_at_first() -> None:
    assert not changes(silent(), [heard(0)]).any()


@pytest.mark.parametrize("side", [8, 11, 32])
def test_there_is_a_change_for_each_frame_at_any_size(expressions: Expressions, side: int) -> None:
    made = changes(expressions, [heard(0)], side=side)
    assert made.shape == (1, FRAMES, CHANNELS, side, side)
    assert made.isfinite().all()
    assert made.any()


def test_rows_of_a_batch_are_what_they_are_alone(expressions: Expressions) -> None:
    rows = [heard(0), Features(), heard(2)]
    together = changes(expressions, rows)
    for index, row in enumerate(rows):
        torch.testing.assert_close(together[index], changes(expressions, [row], index)[0], rtol=1e-4, atol=1e-5)


def test_each_frame_hears_its_own_sound(expressions: Expressions) -> None:
    one = heard(0)
    assert one.audio is not None
    other = dataclasses.replace(one, audio=torch.cat([one.audio[:2], random(7, *one.audio[2:].shape)]))
    before, after = changes(expressions, [one])[0], changes(expressions, [other])[0]
    torch.testing.assert_close(before[:2], after[:2])
    assert (before[2] - after[2]).abs().mean() > 1e-3


def test_a_sound_that_counts_nothing_is_silence(expressions: Expressions) -> None:
    torch.testing.assert_close(
        changes(expressions, [heard(0, gain=0.0)]), changes(expressions, [Features()]), rtol=1e-4, atol=1e-5
    )


def test_a_change_is_a_sum_of_the_portraits_ways(expressions: Expressions) -> None:
    portrait = random(90, 1, CHANNELS, 8, 8)
    with torch.inference_mode():
        ways = expressions.ways(portrait)[0]
    assert ways.shape == (WAYS, CHANNELS, 8, 8)
    made = changes(expressions, [heard(0)])[0].flatten(1)
    basis = ways.flatten(1).T
    rest = made.T - basis @ torch.linalg.lstsq(basis, made.T).solution
    assert rest.norm() < 1e-3 * made.norm()


def test_the_backbone_draws_around_the_changed_portrait() -> None:
    """An untrained backbone adds nothing: at pure noise what it says is the portrait, as its expression has it."""
    emo = Emo(CONFIG, backend=Backend())
    initialise(emo, 0)
    expressions = emo.backbone.expressions
    assert expressions is not None
    portrait = random(90, 1, CHANNELS, 8, 8)
    row = dataclasses.replace(
        heard(0),
        audio=random(0, FRAMES, CONFIG.audio.tokens + 2, CONFIG.audio.token_width),
        reference={PORTRAIT: portrait},
    )
    noise, time = random(1, FRAMES, CHANNELS, 8, 8), torch.tensor([999.0])
    with torch.inference_mode():
        before = emo.backbone(noise, time, [row], temporal=False)
        nn.init.normal_(expressions.amounts.weight, std=0.1)
        tokens = dataclasses.replace(row, audio=row.audio[:, : CONFIG.audio.tokens])  # type: ignore[index]
        change = expressions(portrait, Batch([tokens], FRAMES))
        after = emo.backbone(noise, time, [row], temporal=False)
    torch.testing.assert_close(before - after, change, rtol=1e-3, atol=1e-3)  # at pure noise velocity is minus it


def test_shapes_tell_whether_there_are_any() -> None:
    shapes = {
        name.removeprefix("encoders."): tuple(value.shape)
        for name, value in Emo(CONFIG, backend=Backend(device="meta")).state_dict().items()
    }
    assert derive_config(CONFIG, shapes, {}).reference.expressions
    without = {name: shape for name, shape in shapes.items() if ".expressions." not in name}
    assert not derive_config(CONFIG, without, {}).reference.expressions
