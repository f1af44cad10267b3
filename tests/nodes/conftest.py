"""The pack in this process, with a model of random weights."""

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import torch
from support import Pack, random_checkpoint


@pytest.fixture(scope="session")
def ours(pack: ModuleType) -> Pack:
    """The pack's modules: `ours["nodes.convert"]`."""
    return Pack(pack)


@pytest.fixture(scope="session")
def networks(ours: Pack, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """MODEL, encoders value and VAE of a small network with random weights, as the load node makes them."""
    path = tmp_path_factory.mktemp("models") / "random.safetensors"
    random_checkpoint(path)
    checkpoint = ours["emo_core.checkpoints.load"].open_checkpoint(path)
    model, encoders, audio, vae = ours["nodes.host.loading"].load_networks(checkpoint, "default")
    return model, ours["nodes.types"].EncodersValue(checkpoint.config, encoders, audio), vae


@pytest.fixture(scope="session")
def encoded(ours: Pack, networks: tuple) -> Callable[[int], tuple]:
    """`encoded(frames)`: a portrait and so many frames of noise, encoded by the small model."""

    @torch.inference_mode()
    def encode(frames: int) -> tuple:
        _, encoders, vae = networks
        values = ours["nodes.values"]
        generator = torch.Generator().manual_seed(1)
        reference = values.reference_of(encoders, vae, torch.rand(1, 64, 64, 3, generator=generator))
        noise = 0.1 * torch.randn(1, frames * 640, generator=generator)
        sound = ours["emo_core.media.video"].Sound(noise, 16000)
        return reference, values.audio_of(encoders, sound, sound, 25.0)

    return encode


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    """The host runs nodes this way."""
    with torch.inference_mode():
        yield
