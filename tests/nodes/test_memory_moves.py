"""Partial loading and freeing: every weight of every network of ours goes where the host wants it.

A machine without a GPU has the device "meta", which holds shapes and no numbers: loading to it is a move to another
device, and a weight that was left behind fails where it meets what was moved.
"""

import ast
import gc
import importlib
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.tiny import small_config
from stock import LIKE_SD, Studio
from support import SMALL

from emo_core.checkpoints.echomimic import ECHOMIMIC
from emo_core.checkpoints.hallo import HALLO
from emo_core.checkpoints.v_express import V_EXPRESS
from emo_core.config import EmoConfig

ROOT = Path(__file__).resolve().parents[2]
FAKE = torch.device("meta")
DEVICES = {"cuda", "mps", "xpu", "npu", "hip"}
CONFIGS = {"paper": LIKE_SD} | {family.name: small_config(family) for family in (HALLO, ECHOMIMIC, V_EXPRESS)}
FRAMES = 4


class Loaded:
    """All networks of a config built as the nodes build them, in the host's hands, partly on the fake device."""

    def __init__(self, ours: Any, config: EmoConfig, share: float, plain: bool = False) -> None:
        layers, checkpoints = ours["nodes.host.layers"], ours["emo_core.checkpoints.load"]
        patchers = importlib.import_module("comfy.model_patcher")
        config = ours["emo_core.config"].EmoConfig.from_dict(config.to_dict())
        backend = layers.host_backend(layers.Precision(torch.float32, None), "meta")
        if plain:
            backend = ours["emo_core.backend"].Backend(device="meta")
        self.networks: dict[str, Any] = {}
        for name, kind in {
            "encoders": ours["emo_core.models.emo"].Encoders,
            "backbone": ours["emo_core.models.backbone"].Backbone,
            "vae": ours["emo_core.models.vae"].AutoencoderKL,
            "audio_encoder": ours["emo_core.audio.mel_conv"].MelConvEncoder,
        }.items():
            part = {"vae": config.vae, "audio_encoder": config.audio}.get(name, config)
            network = kind(part, backend=backend)
            state = {key: torch.randn(value.shape) * 0.1 for key, value in network.state_dict().items()}
            checkpoints.fill(network, state, name)
            patcher = patchers.ModelPatcher(network, load_device=FAKE, offload_device=torch.device("cpu"))
            patcher.load(FAKE, lowvram_model_memory=int(share * patcher.model_size()), full_load=share == 1)
            self.networks[name] = network

    def left_behind(self) -> list[str]:
        """Weights of layers that stayed on the CPU although their layer does not fetch them when it is used.

        Meta kernels do not complain of them as those of a GPU do. Of tensors that are no layer's weight they do.
        """
        return [
            f"{name}.{path}"
            for name, network in self.networks.items()
            for path, module in network.named_modules()
            for key, tensor in module.named_parameters(recurse=False)
            if key in ("weight", "bias") and tensor.device != FAKE and not hasattr(module, "comfy_cast_weights")
        ]


def on_device(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device=FAKE)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["nothing", "half", "everything"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_network_runs_with_any_share_of_it_loaded(ours: Any, config: EmoConfig, share: float) -> None:
    loaded = Loaded(ours, config, share)
    there = {
        tensor.device.type for network in loaded.networks.values() for tensor in network.state_dict().values()
    }
    assert ("meta" in there) == (share > 0)
    assert ("cpu" in there) == (share < 1)
    assert not loaded.left_behind()
    encoders, backbone = loaded.networks["encoders"], loaded.networks["backbone"]
    latents, channels = on_device(1, 4, 8, 8), config.face_locator.inputs
    context = encoders.encode_context(on_device(config.context.inputs)) if config.context else None
    tokens = encoders.reference_net(latents, context if config.reference.context == "tokens" else None)
    motion = {path: value.expand(config.temporal.motion_frames, -1, -1) for path, value in tokens.items()}
    audio = config.audio
    features = ours["emo_core.modules.conditions"].Features(
        reference=tokens,
        motion=motion if config.temporal.motion_frames else None,
        audio=encoders.audio_projection(on_device(FRAMES, audio.window, audio.layers, audio.width)),
        context=context,
        face=encoders.face_locator(on_device(1, channels, 64, 64)),
        speed=encoders.encode_speed(on_device(FRAMES)),
    )
    out = backbone(on_device(2 * FRAMES, 4, 8, 8), on_device(2), [features, features])
    pictures = loaded.networks["vae"].decode(loaded.networks["vae"].encode(on_device(1, 3, 64, 64)))
    states = loaded.networks["audio_encoder"].encode(on_device(16000))
    assert {value.device for value in (out, pictures, states)} == {FAKE}


def test_layers_that_are_not_the_hosts_would_be_noticed(ours: Any) -> None:
    assert Loaded(ours, SMALL, 0.5, plain=True).left_behind()


def test_unload_models_frees_everything(ours: Any, tmp_path: Path) -> None:
    management = importlib.import_module("comfy.model_management")
    studio = Studio(ours, tmp_path / "random.safetensors")
    patched = studio.patched("FreeU_V2", b1=1.1, b2=1.1, s1=0.9, s2=0.9)
    studio.sample(patched)
    studio.vae.decode(studio.latent["samples"])
    networks = [studio.model.model, studio.model.model.diffusion_model, studio.encoders.networks.network]
    networks += [studio.encoders.audio.network, studio.vae.first_stage_model]
    alive = [weakref.ref(network) for network in networks]
    assert any(loaded.model is patched for loaded in management.current_loaded_models)
    del networks, patched, studio
    management.unload_all_models()
    gc.collect()
    assert [reference() for reference in alive] == [None] * len(alive)
    assert not management.current_loaded_models


def test_the_host_chooses_devices_and_dtypes() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("nodes", "emo_core/models", "emo_core/modules", "emo_core/diffusion", "emo_core/audio")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.split(":")[0] in DEVICES)
        or (isinstance(node, ast.Attribute) and node.attr in DEVICES)
    ]
    assert not named, f"{named} choose a device themselves"
