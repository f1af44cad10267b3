"""The portrait at the backbone's ends: rows without one see zeros, and files say by their shapes that they have it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from emo_core.backend import Backend
from emo_core.checkpoints.shapes import derive_config
from emo_core.config import EmoConfig
from emo_core.diffusion.schedule import Schedule
from emo_core.models.backbone import CHANGES
from emo_core.models.emo import Emo
from emo_core.models.warp import moved
from emo_core.modules.conditions import PORTRAIT, Features
from emo_core.training.initialise import initialise
from emo_core.training.tiny import tiny_config

FRAMES = 3
CONFIG = tiny_config()
CHANNELS = CONFIG.unet.latent_channels
SIGNAL = Schedule.create(CONFIG.schedule).alpha_bar.sqrt().tolist()


def share_of(timestep: int, change: float) -> float:
    """How much of what noisy latents have beside the noised portrait is the picture's, by Bayes' rule."""
    return SIGNAL[timestep] * change / (SIGNAL[timestep] ** 2 * change + 1 - SIGNAL[timestep] ** 2)


def model(config: EmoConfig = CONFIG) -> Emo:
    made = Emo(config, backend=Backend())
    initialise(made, 0)
    return made.eval()


@pytest.fixture(scope="module")
def emo() -> Emo:
    return model()


def at_first_convolution(emo: Emo, features: list[Features]) -> torch.Tensor:
    """What the first convolution gets."""
    latents = torch.randn(len(features) * FRAMES, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(0))
    seen = []
    handle = emo.backbone.conv_in.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with handle, torch.inference_mode():
        emo.backbone(latents, torch.full((len(features),), 500.0), features, temporal=False)
    guess, shown = seen[0].chunk(2, dim=1)
    torch.testing.assert_close(guess, shown + share_of(500, CHANGES[1]) * (latents - SIGNAL[500] * shown))
    return shown.unflatten(0, (len(features), FRAMES))


def portrait(emo: Emo, size: tuple[int, int] = (16, 16)) -> tuple[torch.Tensor, Features]:
    latents = torch.randn(1, CHANNELS, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return latents, Features(reference=emo.encoders.reference_net(latents))


def test_every_frame_of_a_row_sees_its_portrait_and_a_row_without_one_zeros(emo: Emo) -> None:
    latents, features = portrait(emo)
    shown = at_first_convolution(emo, [Features(), features, Features()])
    torch.testing.assert_close(shown[1], latents.expand(FRAMES, -1, -1, -1))
    assert shown[[0, 2]].count_nonzero() == 0
    assert at_first_convolution(emo, [Features()]).count_nonzero() == 0
    torch.testing.assert_close(at_first_convolution(emo, [features])[0], shown[1])


def test_a_portrait_of_another_size_is_brought_to_that_of_the_video(emo: Emo) -> None:
    latents, features = portrait(emo, (32, 24))
    shown = at_first_convolution(emo, [features])
    torch.testing.assert_close(shown[0, 0].mean(), latents.mean(), atol=0.05, rtol=0)


def changed(emo: Emo, logit: float) -> list[tuple[torch.Tensor, torch.Tensor, int]]:
    """Clean latents that a network which adds nothing predicts and what they are predicted from, less the portrait."""
    torch.nn.init.constant_(emo.backbone.conv_out.bias[CHANNELS : 2 * CHANNELS], logit)
    latents, features = portrait(emo)
    noisy = torch.randn(2 * FRAMES, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(2))
    schedule, found = Schedule.create(emo.config.schedule), []
    for timestep in (999, 600, 200, 20):
        with torch.inference_mode():
            velocity = emo.backbone(noisy, torch.full((2,), float(timestep)), [features, Features()], temporal=False)
        for row, around in zip(range(2), (latents, torch.zeros_like(latents)), strict=True):
            own = slice(row * FRAMES, (row + 1) * FRAMES)
            clean, _ = schedule.split(noisy[own], velocity[own], timestep)
            found.append((clean - around, noisy[own] - SIGNAL[timestep] * around, timestep))
    return found


@pytest.mark.parametrize(("logit", "change"), [(-30.0, CHANGES[0]), (30.0, CHANGES[1])])
def test_the_first_guess_is_the_mean_of_latents_around_the_portrait_given_the_noisy_ones(
    logit: float, change: float
) -> None:
    for clean, rest, timestep in changed(model(), logit):
        torch.testing.assert_close(clean, share_of(timestep, change) * rest, atol=1e-4, rtol=1e-4)


def test_a_still_place_stays_as_in_the_portrait_whatever_the_noise() -> None:
    for clean, _, timestep in changed(model(), -30.0):
        assert clean.square().mean() < 0.01 or timestep < 100


@pytest.mark.parametrize("size", [(16, 16), (12, 20)])
def test_what_moves_is_taken_from_where_the_flow_points(size: tuple[int, int]) -> None:
    latents = torch.randn(2, CHANNELS, *size, generator=torch.Generator().manual_seed(1))
    flow = torch.tensor([3.0, -2.0])[None, :, None, None].expand(2, -1, *size)
    found = moved(latents, flow)
    torch.testing.assert_close(found[..., 2:, :-3], latents[..., :-2, 3:], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(moved(latents, 0 * flow), latents, atol=1e-4, rtol=1e-4)
    halfway = moved(latents, flow / 6)[..., 2:-1, 1:-2]  # half a cell to the right, a third of one up
    height, width = halfway.shape[-2:]
    wanted = sum(
        a * b * latents[..., down : down + height, right : right + width]
        for down, a in enumerate(cubic(2 / 3))
        for right, b in enumerate(cubic(1 / 2))
    )
    torch.testing.assert_close(halfway, wanted, atol=1e-4, rtol=1e-4)


def cubic(t: float) -> list[float]:
    """Weights of the four neighbours of a place that is t behind the second (Keys, 1981, with a = -0.75)."""
    a = -0.75

    def near(d: float) -> float:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1

    def far(d: float) -> float:
        return a * (d**3 - 5 * d**2 + 8 * d - 4)

    return [far(1 + t), near(t), near(1 - t), far(2 - t)]


def test_a_network_that_only_moves_shows_the_portrait_moved() -> None:
    emo = model()
    bias = emo.backbone.conv_out.bias
    torch.nn.init.constant_(bias[CHANNELS : 2 * CHANNELS], 30.0)
    torch.nn.init.constant_(bias[2 * CHANNELS : 2 * CHANNELS + 1], 2.0)
    latents, features = portrait(emo)
    noisy = torch.randn(FRAMES, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        velocity = emo.backbone(noisy, torch.tensor([999.0]), [features], temporal=False)
    clean, _ = Schedule.create(emo.config.schedule).split(noisy, velocity, 999)
    wanted = latents[..., 2:].expand(FRAMES, -1, -1, -1)
    torch.testing.assert_close(clean[..., :-2], wanted, atol=1e-2, rtol=1e-2)


def test_networks_as_in_the_paper_hand_over_tokens_only() -> None:
    plain = model(dataclasses.replace(CONFIG, reference=dataclasses.replace(CONFIG.reference, at_ends=False)))
    _, features = portrait(plain)
    assert features.reference is not None
    assert PORTRAIT not in features.reference
    assert plain.backbone.conv_in.weight.shape[1] == CHANNELS


@pytest.mark.parametrize("at_ends", [False, True])
def test_shapes_tell_which_it_is(at_ends: bool) -> None:
    config = dataclasses.replace(CONFIG, reference=dataclasses.replace(CONFIG.reference, at_ends=at_ends))
    shapes = {n.removeprefix("encoders."): tuple(t.shape) for n, t in model(config).state_dict().items()}
    other = dataclasses.replace(CONFIG, reference=dataclasses.replace(CONFIG.reference, at_ends=not at_ends))
    derived = derive_config(other, shapes, {})
    assert derived.reference.at_ends == at_ends
    assert derived.unet.latent_channels == CHANNELS
