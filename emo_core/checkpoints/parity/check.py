"""One compared tensor, and what the cases of all families share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...modules.conditions import Features
from ..errors import CheckpointError

FORWARD = 1e-5
"""Relative L2 limit of one pass through the networks."""
ROUNDED_FORWARD = 3e-5
"""The same where reference tokens are rounded to fp16: a last digit may fall to the other side."""
SAMPLING = 5e-5
CHAIN = 2e-4
STORED_IN_FP16 = 2e-3
EXACT = 0.0

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Check:
    """One expected tensor and how far ours is from it."""

    name: str
    error: float
    """Relative L2, or the largest difference where the limit is `EXACT`."""
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the error is within the limit; never for NaN."""
        return self.error <= self.limit


def compare(name: str, ours: Tensor, expected: Tensor, limit: float) -> Check:
    """The distance of a tensor from the expected one of the same shape."""
    if ours.shape != expected.shape:
        raise CheckpointError(f"{name}: ours is {tuple(ours.shape)}, expected is {tuple(expected.shape)}")
    ours, expected = ours.double().cpu(), expected.double().cpu()
    if limit == EXACT:
        return Check(name, (ours - expected).abs().max().item(), limit)
    return Check(name, ((ours - expected).norm() / expected.norm().clamp(min=1e-30)).item(), limit)


def read_config(folder: Path) -> dict[str, Any]:
    """The constructor arguments and settings of a case."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no parity case: it has no config.json")
    return json.loads(path.read_text())


def given_network(unet: Mapping[str, Any], motion: Mapping[str, Any]) -> dict[str, Any]:
    """Config values that do not show in shapes, from a published UNet config."""
    heads = unet["attention_head_dim"]  # in Stable Diffusion 1.5's configs this is the number of heads
    if not isinstance(heads, int):
        if len(set(heads)) != 1:
            raise CheckpointError(f"as many heads at every level are needed, the case has {heads}")
        heads = heads[0]
    return {
        "unet": {"heads": heads, "groups": unet["norm_num_groups"]},
        "temporal": {"heads": motion["num_attention_heads"]},
    }


def given_schedule(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """Config values from a diffusers scheduler config."""
    return {
        "betas": scheduler["beta_schedule"],
        "beta_start": scheduler["beta_start"],
        "beta_end": scheduler["beta_end"],
        "prediction": {"v_prediction": "v", "epsilon": "epsilon"}[scheduler["prediction_type"]],
        "zero_snr": scheduler["rescale_betas_zero_snr"],
    }


def frames_first(video: Tensor) -> Tensor:
    """[1, C, F, h, w] to [F, C, h, w]."""
    return video[0].transpose(0, 1)


def frames_last(frames: Tensor, rows: int = 1) -> Tensor:
    """[R*F, C, h, w] to [R, C, F, h, w]."""
    return frames.unflatten(0, (rows, -1)).transpose(1, 2)


def run_with_probes(
    network: nn.Module, latents: Tensor, timestep: Tensor, rows: list[Features], names: list[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """The prediction [R, C, F, h, w] for the same latents [F, C, h, w] in every row, and the outputs of modules."""
    seen: dict[str, Tensor] = {}

    def listen(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            seen[name] = frames_last(output[0] if isinstance(output, tuple) else output, len(rows))

        return hook

    handles = [network.get_submodule(name).register_forward_hook(listen(name)) for name in names]
    try:
        times = timestep.float().reshape(1).expand(len(rows))
        prediction = network(torch.cat([latents] * len(rows)), times, rows)
    finally:
        for handle in handles:
            handle.remove()
    return frames_last(prediction, len(rows)), seen


def expected_below(expected: Tensors, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """The expected tensors whose names begin with `prefix`, by the rest of their names."""
    for name, value in expected.items():
        if name.startswith(prefix):
            yield name[len(prefix) :], value


def block_path(name: str) -> str:
    """Our path of a transformer block, from that of the published code."""
    return name.removesuffix(".transformer_blocks.0")
