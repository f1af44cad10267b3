"""Our MODEL under the host's samplers."""

import dataclasses

import pytest
import torch

FRAMES = 6  # a clip of four and a short one


@pytest.fixture(scope="module")
def prepared(ours, networks, encoded) -> tuple:
    """Three conditionings and the latent of a portrait and half a second of noise."""
    _, encoders, _ = networks
    values = ours["nodes.values"]
    with torch.inference_mode():
        region = values.region_of(encoders, None, 64, 0.05)
        return values.conditionings(*encoded(FRAMES), region, values.speed_of(encoders, 0.5, 1, 25.0, ""))


def sample(ours, model, prepared: tuple, seed: int = 3, scale: float = 1.5, audio_scale: float = 2.0) -> torch.Tensor:
    """Latents of all clips by euler and simple, three steps."""
    full, silent, nothing, latent = prepared
    host = ours["nodes.host.sampling"]
    guider = host.make_guider(model, full, silent, nothing, scale, audio_scale)
    sigmas = host.make_sigmas(model, "simple", 3, 1.0)
    noise = host.SeededNoise(seed)
    return host.sample_clips(guider, noise, host.make_sampler("euler"), sigmas, latent, 0, None)["samples"]


def test_comfyui_and_the_command_line_make_the_same_frames(ours, networks, prepared, tmp_path) -> None:
    from support import random_checkpoint

    random_checkpoint(tmp_path / "random.safetensors")
    animate = ours["emo_core.animate"]
    animator = animate.Animator.open(tmp_path / "random.safetensors")
    generator = torch.Generator().manual_seed(1)
    portrait = torch.rand(1, 64, 64, 3, generator=generator)[0]
    sound = ours["emo_core.media.video"].Sound(0.1 * torch.randn(1, FRAMES * 640, generator=generator), 16000)
    theirs = torch.cat(list(animator.sample(portrait, sound, animate.Wish(seed=3))))
    samples = sample(ours, networks[0], prepared) * animator.config.vae.scaling
    torch.testing.assert_close(samples, theirs, atol=1e-3, rtol=1e-3)


def test_the_same_seed_gives_the_same_video_and_another_seed_another(ours, networks, prepared) -> None:
    first, again = sample(ours, networks[0], prepared), sample(ours, networks[0], prepared)
    assert torch.equal(first, again)
    assert not torch.allclose(first, sample(ours, networks[0], prepared, seed=4))


def test_equal_scales_need_no_third_prediction(ours, networks, prepared) -> None:
    guider = ours["nodes.host.sampling"].make_guider(networks[0], *prepared[:3], 2.0, 2.0)
    assert set(guider.original_conds) == {"positive", "negative"}


def test_two_scales_are_the_weighted_sum_of_three_predictions(ours, networks, prepared) -> None:
    same = sample(ours, networks[0], prepared, scale=2.0, audio_scale=2.0)
    nearly = sample(ours, networks[0], prepared, scale=2.0, audio_scale=2.0 + 1e-6)
    torch.testing.assert_close(same, nearly, atol=1e-3, rtol=1e-3)


def test_the_second_clip_sees_the_end_of_the_first(ours, networks, prepared) -> None:
    full, latent = prepared[0], prepared[3]
    features = full[0][1]["emo"]
    still = [[full[0][0], {**full[0][1], "emo": dataclasses.replace(features, motion=None)}]]
    with_motion = sample(ours, networks[0], (full, full, full, latent), scale=1.0, audio_scale=1.0)
    without = sample(ours, networks[0], (still, still, still, latent), scale=1.0, audio_scale=1.0)
    assert not torch.allclose(with_motion[4:], without[4:])


def test_a_guider_is_left_as_it_was_even_after_an_error(ours, networks, prepared) -> None:
    host = ours["nodes.host.sampling"]
    guider = host.make_guider(networks[0], *prepared[:3], 1.5, 2.0)
    before = guider.original_conds

    def broken(*_args: object, **_kwargs: object) -> None:
        raise KeyError

    sampler = host.make_sampler("euler")
    sampler.sampler_function = broken
    with pytest.raises(KeyError):
        host.sample_clips(
            guider, host.SeededNoise(0), sampler, torch.tensor([1.0, 0.0]), prepared[3], 0, None
        )
    assert guider.original_conds is before


def test_a_conditioning_from_elsewhere_is_refused(ours, networks, prepared) -> None:
    stranger = [[torch.zeros(1, 1, 768), {}]]
    with pytest.raises(ValueError, match="connect EMO Condition"):
        sample(ours, networks[0], (stranger, stranger, stranger, prepared[3]))


def test_features_are_never_repeated_over_frames(ours, prepared) -> None:
    cond = ours["nodes.host.model"].FeaturesCond(prepared[0][0][1]["emo"])
    assert cond.process_cond(batch_size=12).concat([cond]) == [cond.cond, cond.cond]


def test_a_region_for_another_size_is_refused(ours, networks) -> None:
    values = ours["nodes.values"]
    region = values.region_of(networks[1], None, 128, 0.05)
    with pytest.raises(ValueError, match="made for 128 pixels and the portrait for 64"):
        values.matching_region(region, 64)


def test_a_curve_of_another_length_is_refused(ours, networks) -> None:
    values = ours["nodes.values"]
    speed = values.speed_of(networks[1], 0.5, 10, 25.0, "0: 0.5")
    with pytest.raises(ValueError, match="has 10 frames and the sound 12"):
        values.matching_speed(speed, 12)


def test_a_model_of_another_kind_is_refused(ours, networks) -> None:
    host = ours["nodes.host.sampling"]

    class Stranger:
        model = torch.nn.Identity()

    with pytest.raises(ValueError, match="this MODEL is a Identity, an EMO model is wanted"):
        host.emo_model(Stranger())
