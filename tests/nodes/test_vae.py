"""Our VAE in the host's: the same numbers, whatever its width."""

import torch
from support import SMALL


def test_the_hosts_vae_makes_what_ours_makes(ours, networks) -> None:
    vae = networks[2]
    network = vae.first_stage_model
    picture = torch.rand(1, 64, 64, 3)
    latents = vae.encode(picture)
    scaled = super(type(network), network).encode(picture.movedim(-1, 1) * 2 - 1)
    torch.testing.assert_close(latents * SMALL.vae.scaling, scaled)
    expected = super(type(network), network).decode(scaled).movedim(1, -1) / 2 + 0.5
    torch.testing.assert_close(vae.decode(latents), expected.clamp(0, 1), atol=1e-5, rtol=0)


def test_previews_have_the_colours_of_the_vae(ours, networks) -> None:
    model = networks[0].model
    assert torch.tensor(model.latent_format.latent_rgb_factors).shape == (4, 3)
    assert len(model.latent_format.latent_rgb_factors_bias) == 3
