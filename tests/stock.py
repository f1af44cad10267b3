"""The host's own nodes in this process, and a small model of ours in Stable Diffusion's proportions for them."""

import asyncio
import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch
from support import SMALL, random_checkpoint

from emo_core.config import EmoConfig, ScheduleConfig, TemporalConfig, UNetConfig

LIKE_SD = dataclasses.replace(
    SMALL,
    unet=UNetConfig(
        channels=(32, 64, 128), attention=(True, True, False), layers_per_block=1, heads=2, groups=32
    ),
    temporal=TemporalConfig(levels=(True, True, True), heads=2, motion_frames=2, clip_frames=4),
    schedule=ScheduleConfig(),
)
"""The paper's parts with the latents and the proportions of Stable Diffusion 1.5, a tenth as wide."""
FRAMES = 4
SIDE = 64  # px


def host_nodes() -> dict[str, Any]:
    """All nodes that come with the host, by id."""
    nodes = sys.modules.get("nodes")
    if not hasattr(nodes, "NODE_CLASS_MAPPINGS"):  # pytest calls the folder of tests/nodes so
        path = Path(sys.modules["comfy.sd"].__file__ or "").parents[1] / "nodes.py"
        spec = importlib.util.spec_from_file_location("nodes", path)
        assert spec is not None
        assert spec.loader is not None
        nodes = sys.modules["nodes"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(nodes)
        asyncio.run(nodes.init_builtin_extra_nodes())
    return nodes.NODE_CLASS_MAPPINGS


class Studio:
    """A model of ours with conditionings for it, and the host's nodes to use on it."""

    def __init__(self, ours: Any, path: Path, config: EmoConfig = LIKE_SD, seed: int = 0) -> None:
        self.ours, self.nodes, self.config = ours, host_nodes(), config
        with torch.inference_mode():
            self.model, self.encoders, self.vae = self.load(path, seed)
            self.full, self.reference_only, self.none, self.latent = self.conditionings()

    def load(self, path: Path, seed: int = 0) -> tuple[Any, Any, Any]:
        """MODEL, encoders and VAE of random weights."""
        random_checkpoint(path, self.config, seed)
        checkpoint = self.ours["emo_core.checkpoints.load"].open_checkpoint(path)
        model, encoders, audio, vae = self.ours["nodes.host.loading"].load_networks(checkpoint, "default")
        return model, self.ours["nodes.types"].EncodersValue(checkpoint.config, encoders, audio), vae

    def conditionings(self, frames: int = FRAMES) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Full, reference only, none, and the empty latent, of a random portrait and sound."""
        values, media = self.ours["nodes.values"], self.ours["emo_core.media.video"]
        generator = torch.Generator().manual_seed(1)
        portrait = torch.rand(1, SIDE, SIDE, 3, generator=generator)
        sound = media.Sound(0.1 * torch.randn(1, frames * 640, generator=generator), 16000)
        reference = values.reference_of(self.encoders, self.vae, portrait)
        audio = values.audio_of(self.encoders, sound, sound, 25.0)
        region = values.region_of(self.encoders, None, SIDE, 0.05)
        speed = values.speed_of(self.encoders, 0.5, 1, 25.0, "") if self.config.speed else None
        return values.conditionings(reference, audio, region, speed)

    def node(self, node_id: str, **inputs: Any) -> Any:
        """The first output of a node of the host."""
        kind = self.nodes[node_id]
        if hasattr(kind, "define_schema"):
            made = kind.execute(**inputs)
            return getattr(made, "result", made)[0]
        return getattr(kind(), kind.FUNCTION)(**inputs)[0]

    def sample(self, model: Any = None, **changes: Any) -> torch.Tensor:
        """Latents by the stock KSampler; `changes` are its inputs."""
        inputs = {
            "model": self.model if model is None else model,
            "positive": self.full,
            "negative": self.none,
            "latent_image": self.latent,
            "seed": 3,
            "steps": 3,
            "cfg": 1.5,
            "sampler_name": "euler",
            "scheduler": "simple",
            "denoise": 1.0,
        }
        return self.node("KSampler", **inputs | changes)["samples"]

    def patched(self, node_id: str, **inputs: Any) -> Any:
        """The MODEL behind a node that patches it."""
        return self.node(node_id, model=self.model, **inputs)


def differs(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Both finite and of one shape, and not the same."""
    assert a.shape == b.shape
    assert a.isfinite().all()
    assert b.isfinite().all()
    return not torch.allclose(a, b, atol=1e-4)
