"""Motion frames encoded alone are those that are encoded with the portrait, whatever image tokens they take."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from models.test_fast_paths import config_of
from torch import Tensor

from emo_core.backend import Backend
from emo_core.config import EmoConfig
from emo_core.models.emo import Emo
from emo_core.models.reference_net import ReferenceNet
from emo_core.models.reference_pair import Tokens, encode_motion, encode_pair
from emo_core.training.initialise import initialise


def random_net(config: EmoConfig) -> ReferenceNet:
    model = Emo(config, backend=Backend())
    initialise(model, 0)
    return model.encoders.reference_net.eval()


def close(found: Tokens, wanted: Tokens | None) -> None:
    assert wanted is not None
    assert found.keys() == wanted.keys()
    for path, value in found.items():
        torch.testing.assert_close(value, wanted[path], atol=1e-4, rtol=1e-4)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("name", "mixed"), [("emo", False), ("hallo", False), ("hallo", True)])
@torch.inference_mode()
def test_motion_frames_alone_are_those_beside_the_portrait(name: str, mixed: bool, count: int) -> None:
    config = config_of(name)
    reference = dataclasses.replace(config.reference, mixed_rows=mixed, half_precision_bank=False)
    config = dataclasses.replace(config, reference=reference)
    net, options = random_net(config), {}
    if config.context is not None:
        shape = (1, config.context.tokens, config.context.width)
        options = {"context": 3 * noise(*shape), "context_without": torch.zeros(shape), "mixed": mixed}
    latents = noise(1 + count, config.unet.latent_channels, 32, 32)
    pair = encode_pair(net, latents, config.temporal.clip_frames, **options)
    guided, without = encode_motion(net, latents[1:], **options)
    close(guided, pair.motion)
    close(without, pair.motion_without)
    last = list(guided)[-1]
    # with an even number of pictures in turn, both rows get the same image tokens
    alike = config.context is None or (mixed and count % 2 == 1)
    assert torch.equal(guided[last], without[last]) == alike
