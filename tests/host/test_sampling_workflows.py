"""The example workflows for small cards and for ComfyUI's own sampling nodes, run from their UI files."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import PACK, ComfyServer
from PIL import Image

pytestmark = pytest.mark.host

Prompt = dict[str, Any]
SMALL = {"model_name": "random.safetensors", "length": 0.4, "steps": 2, "clip_frames": 4, "keep_clips": False}
FRAMES = 10


def frames_of(host: ComfyServer, name: str, **changes: Any) -> np.ndarray:
    """All frames [F, H, W, 3] of a workflow's video, made with small settings; as pictures, so nothing is lost."""
    drawn = json.loads((PACK / "example_workflows" / f"{name}.json").read_text())
    prompt = convert_ui_to_api(drawn, host.get("/object_info"))
    for node in prompt.values():
        node["inputs"].update({key: value for key, value in (SMALL | changes).items() if key in node["inputs"]})
    (decoder,) = [node["inputs"] for node in prompt.values() if node["class_type"] == "EMO_DecodeToVideo"]
    pictures = {"latent": decoder["latent"], "vae": decoder["vae"], "start": 0, "count": 0}
    prompt["frames"] = {"class_type": "EMO_DecodeFrames", "inputs": pictures}
    saved = {"images": ["frames", 0], "filename_prefix": f"lossless/{name}"}
    prompt["pictures"] = {"class_type": "SaveImage", "inputs": saved}
    result = host.run(prompt)
    assert result.status == "success", result.error
    files = [host.base / "output" / e["subfolder"] / e["filename"] for e in result.outputs["pictures"]["images"]]
    return np.stack([np.asarray(Image.open(file)) for file in files]).astype(int)


def test_the_workflow_for_small_cards_makes_its_video(host: ComfyServer, workflow: Callable[..., Prompt]) -> None:
    assert len(frames_of(host, "low_memory")) == FRAMES


def test_stock_dual_guidance_makes_what_our_sampler_makes(
    host: ComfyServer, workflow: Callable[..., Prompt]
) -> None:
    ours, stock = frames_of(host, "talking_portrait", audio_cfg=1.5), frames_of(host, "dual_guidance")
    other = frames_of(host, "dual_guidance", cfg_conds=8.0)
    assert np.abs(ours - stock).mean() < 0.5 * np.abs(ours - other).mean()
    np.testing.assert_allclose(ours, stock, atol=2)
