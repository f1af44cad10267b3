"""The pack in this process, with a model of random weights."""

from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    """The host runs nodes this way."""
    with torch.inference_mode():
        yield
