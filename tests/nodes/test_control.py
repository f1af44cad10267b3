"""Liveliness: what the controls change, and what they leave."""

import dataclasses

import pytest
import torch

FRAMES = 6


@pytest.fixture(scope="module")
def parts(ours, networks, encoded) -> tuple:
    """Portrait, sound and region of the small model."""
    with torch.inference_mode():
        return (*encoded(FRAMES), ours["nodes.values"].region_of(networks[1], None, 64, 0.05))


def latents(ours, networks, conds: tuple, latent: dict | None = None) -> torch.Tensor:
    """Two steps of euler."""
    host = ours["nodes.host.sampling"]
    full, silent, nothing, empty = conds
    guider = host.make_guider(networks[0], full, silent, nothing, 1.5, 2.0)
    sigmas = host.make_sigmas(networks[0], "simple", 2, 1.0)
    noise = host.SeededNoise(3)
    start = empty if latent is None else latent
    return host.sample_clips(guider, noise, host.make_sampler("euler"), sigmas, start, 0, None)["samples"]


def test_the_audio_strength_scales_what_the_sound_does(ours, networks, parts) -> None:
    values, steering = ours["nodes.values"], ours["nodes.steering"]
    config = networks[1].config
    plain = latents(ours, networks, values.conditionings(*parts, None))
    one = latents(
        ours, networks, values.conditionings(*parts, None, steering.strengths_of(config, 1, 1, 1, 1.0, 1))
    )
    more = latents(
        ours, networks, values.conditionings(*parts, None, steering.strengths_of(config, 1, 1, 1, 2.0, 1))
    )
    assert torch.equal(plain, one)
    assert not torch.allclose(plain, more)


def test_strengths_that_the_model_has_no_place_for_are_named(ours, networks) -> None:
    strengths_of = ours["nodes.steering"].strengths_of
    config = networks[1].config
    with pytest.raises(ValueError, match="leave pose, expression and lips at 1"):
        strengths_of(config, 1.0, 1.0, 1.5, 1.0, 1.0)
    with pytest.raises(ValueError, match="leave reference at 1"):
        strengths_of(config, 1.0, 1.0, 1.0, 1.0, 0.9)


def test_regional_models_take_all_three_strengths(ours) -> None:
    config = ours["emo_core.config"].EmoConfig()
    regional = dataclasses.replace(config, audio=dataclasses.replace(config.audio, site="module"))
    value = ours["nodes.steering"].strengths_of(regional, 0.0, 0.5, 1.5, 2.0, 1.0)
    assert dataclasses.astuple(value.regions) == (0.0, 1.0, 3.0)
    assert value.audio == 1.0


def test_lips_only_keeps_everything_else_the_portrait(ours, networks, parts) -> None:
    vae = networks[2]
    conds = ours["nodes.values"].conditionings(*parts, None)
    still = ours["nodes.steering"].lips_only(conds[3], vae, parts[0], "lips", parts[2], None)
    made = latents(ours, networks, conds, still)
    moves = torch.nn.functional.max_pool2d(still["noise_mask"], 8)[0, 0] > 0
    portrait = vae.encode(parts[0].portrait[None])
    assert 0 < moves.sum() < 0.5 * moves.numel()
    torch.testing.assert_close(
        made[:, :, ~moves], portrait[:, :, ~moves].expand(FRAMES, -1, -1), atol=1e-4, rtol=0
    )
    assert (made - portrait)[:, :, moves].abs().max() > 0.1


def test_another_voice_for_a_video_keeps_everything_but_the_mouth(ours, networks, parts) -> None:
    vae = networks[2]
    conds = ours["nodes.values"].conditionings(*parts, None)
    video = torch.rand(4, 80, 64, 3, generator=torch.Generator().manual_seed(2))
    still = ours["nodes.steering"].lips_only(conds[3], vae, parts[0], "lips", parts[2], None, video)
    made = latents(ours, networks, conds, still)
    moves = torch.nn.functional.max_pool2d(still["noise_mask"], 8)[0, 0] > 0
    shown = video[[0, 1, 2, 3, 2, 1], 8:72]  # six frames of four: forwards and back
    expected = vae.encode(shown)
    torch.testing.assert_close(made[:, :, ~moves], expected[:, :, ~moves], atol=1e-4, rtol=0)
    assert (made - expected)[:, :, moves].abs().max() > 0.1


def test_a_video_that_cannot_be_used_says_why(ours, networks, parts) -> None:
    latent = ours["nodes.values"].conditionings(*parts, None)[3]
    with pytest.raises(ValueError, match="the video has 4 channels"):
        ours["nodes.steering"].lips_only(
            latent, networks[2], parts[0], "lips", parts[2], None, torch.rand(2, 64, 64, 4)
        )


def test_a_painted_mask_says_exactly_what_moves(ours, networks, parts) -> None:
    conds = ours["nodes.values"].conditionings(*parts, None)
    mask = torch.zeros(1, 64, 64)
    mask[0, 40:56, 16:48] = 1
    still = ours["nodes.steering"].lips_only(conds[3], networks[2], parts[0], "face", None, mask)
    assert torch.equal(still["noise_mask"][0], mask)


def test_a_list_of_speeds_goes_before_number_and_curve(ours, networks) -> None:
    speed_of = ours["nodes.values"].speed_of
    value = speed_of(networks[1], 0.5, 4, 25.0, "0: 1", [0.0, 0.1, 0.2, 0.3])
    assert value.degrees.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert value.embedding.shape[0] == 4


def test_music_makes_one_speed_per_frame_between_calm_and_lively(ours) -> None:
    pytest.importorskip("librosa")
    noise = torch.randn(1, 32000, generator=torch.Generator().manual_seed(0))
    sound = ours["emo_core.media.video"].Sound(noise * (torch.arange(32000) % 8000 < 2000), 16000)
    speeds, curve = ours["nodes.steering"].music_speeds(sound, 50, 25.0, 0.2, 1.2, 0.1)
    assert len(speeds) == 50
    assert min(speeds) == pytest.approx(0.2, abs=0.1)
    assert max(speeds) == pytest.approx(1.2)
    assert curve.startswith("0.02: ")


def test_the_tail_lengthens_video_and_sound(ours, networks) -> None:
    node = ours["nodes.conditioning"].EncodeAudio
    audio = {"waveform": torch.randn(1, 1, 16000), "sample_rate": 16000}
    _, plain, _, frames = node.execute(networks[1], audio, 0.0, 0.0, 0.0).result
    _, longer, _, more = node.execute(networks[1], audio, 0.0, 0.0, 0.0, tail=0.4).result
    assert (frames, more) == (25, 35)
    assert torch.equal(plain["waveform"], audio["waveform"])
    assert torch.equal(longer["waveform"][..., :16000], audio["waveform"])
    assert not longer["waveform"][..., 16000:].any()


def test_the_gate_makes_a_noisy_pause_sound_like_silence(ours, networks) -> None:
    node = ours["nodes.conditioning"].EncodeAudio
    generator = torch.Generator().manual_seed(0)
    speech, noise = (
        torch.randn(1, 1, 16000, generator=generator) * 0.3,
        torch.randn(1, 1, 32000, generator=generator),
    )
    noisy = {"waveform": torch.cat([speech, noise * 0.0005], -1), "sample_rate": 16000}
    clean = {"waveform": torch.cat([speech, noise * 0.0], -1), "sample_rate": 16000}

    def pause(audio: dict, gate: float) -> torch.Tensor:
        return node.execute(networks[1], audio, 0.0, 0.0, 0.0, gate=gate).result[0].tokens[40:70]

    torch.testing.assert_close(pause(noisy, 40.0), pause(clean, 0.0))
    assert not torch.allclose(pause(noisy, 0.0), pause(clean, 0.0))
