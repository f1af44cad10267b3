"""Our VAE in the host's: the same numbers, whatever its width."""

import dataclasses

import pytest
import torch
from support import SMALL


def test_the_hosts_vae_makes_what_ours_makes(ours, networks) -> None:
    vae = networks[2]
    network = vae.first_stage_model
    picture = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    latents = vae.encode(picture)
    scaled = super(type(network), network).encode(picture.movedim(-1, 1) * 2 - 1)
    torch.testing.assert_close(latents * SMALL.vae.scaling, scaled)
    expected = super(type(network), network).decode(scaled).movedim(1, -1) / 2 + 0.5
    # the latents were divided by their scaling and multiplied again: processors round that differently
    torch.testing.assert_close(vae.decode(latents), expected.clamp(0, 1), atol=1e-4, rtol=0)


def test_a_vae_with_cells_of_four_pixels_keeps_the_size_also_in_tiles(ours) -> None:
    config = ours["emo_core.config"].VaeConfig(channels=(16, 16, 32), layers_per_block=1, groups=8, scaling=1.0)
    state = ours["emo_core.models.vae"].AutoencoderKL(config, backend=ours["emo_core.backend"].Backend()).state_dict()
    vae = ours["nodes.host.vae"].build_vae(config, state)
    pictures = torch.rand(2, 64, 48, 3)
    latents = vae.encode(pictures)
    assert latents.shape == (2, 4, 16, 12)
    assert vae.decode(latents).shape == pictures.shape
    assert vae.decode_tiled(latents, tile_x=8, tile_y=8, overlap=2).shape == pictures.shape
    assert ours["nodes.host.video"].decode_frames(latents, vae, 0, 0, None).shape == pictures.shape
    coarse = ours["nodes.host.vae"].build_vae(*_coarser(ours, config))
    shapes = latents.shape, (2, 4, 8, 6)  # of the same pictures
    used = [v.memory_used_decode(shape, torch.float32) for v, shape in zip((vae, coarse), shapes, strict=True)]
    assert used[0] == used[1]


def _coarser(ours, config):
    config = dataclasses.replace(config, channels=(16, 16, 32, 32))
    network = ours["emo_core.models.vae"].AutoencoderKL(config, backend=ours["emo_core.backend"].Backend())
    return config, network.state_dict()


def test_previews_have_the_colours_of_the_vae(ours, networks) -> None:
    model = networks[0].model
    assert torch.tensor(model.latent_format.latent_rgb_factors).shape == (4, 3)
    assert len(model.latent_format.latent_rgb_factors_bias) == 3


def test_a_decoder_without_memory_works_in_tiles(ours, networks, monkeypatch: pytest.MonkeyPatch) -> None:
    import comfy.model_management as mm

    vae = networks[2]
    latents = torch.randn(2, 4, 96, 80, generator=torch.Generator().manual_seed(0))
    whole = vae.decode(latents)
    decode, tried = vae.first_stage_model.decode, []

    def limited(part: torch.Tensor) -> torch.Tensor:
        tried.append(tuple(part.shape))
        if part.shape[-2:].numel() > 64 * 64:
            raise mm.OOM_EXCEPTION("no room")
        return decode(part)

    monkeypatch.setattr(vae.first_stage_model, "decode", limited)
    made = ours["nodes.host.video"].decode_frames(latents, vae, 0, 0, None)
    assert len(tried) > 2
    assert made.shape == whole.shape
    assert (made - whole).abs().mean() < 0.02  # norms over a tile differ from those over the picture
