"""The server with each of the host's memory and precision flags makes a video."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from comfy_server import PACK, PACK_FOLDER, ComfyServer
from support import random_checkpoint

pytestmark = [pytest.mark.host, pytest.mark.slow]

FLAGS = [
    ("--fp16-unet",),
    ("--bf16-unet",),
    ("--fp8_e4m3fn-unet",),
    ("--cache-none",),
    ("--cache-lru", "10"),
    ("--disable-smart-memory",),
]


def prompt() -> dict[str, Any]:
    """Portrait and sound to latents to a video, two short clips."""

    def node(class_type: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": class_type, "inputs": inputs}

    return {
        "load": node("EMO_LoadModel", model_name="random.safetensors", weight_dtype="default"),
        "image": node("LoadImage", image="emo_portrait.png"),
        "sound": node("LoadAudio", audio="emo_speech.wav"),
        "reference": node("EMO_EncodeReference", encoders=["load", 1], vae=["load", 2], image=["image", 0], size=64),
        "audio": node(
            "EMO_EncodeAudio", encoders=["load", 1], audio=["sound", 0], fps=25.0, start=0.0, length=0.24
        ),
        "condition": node("EMO_Condition", reference=["reference", 0], emo_audio=["audio", 0]),
        "sample": node(
            "KSampler", model=["load", 0], positive=["condition", 0], negative=["condition", 2],
            latent_image=["condition", 3], seed=1, steps=2, cfg=1.5, sampler_name="euler", scheduler="simple",
            denoise=1.0,
        ),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["load", 2]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="flag"),
    }  # fmt: skip


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_the_server_runs_with(flags: tuple[str, ...], comfyui: Path, tmp_path: Path) -> None:
    assert PACK.is_dir()
    with ComfyServer(comfyui, tmp_path, Path(sys.executable), flags) as server:
        folder = server.base / "models" / "emo"
        folder.mkdir(exist_ok=True)
        random_checkpoint(folder / "random.safetensors")
        for seed in (1, 2):  # the second finds, or does not find, what the first left in the cache
            graph = json.loads(json.dumps(prompt()))
            graph["sample"]["inputs"]["seed"] = seed
            result = server.run(graph)
            assert result.status == "success", result.error
            assert len(result.outputs["save"]["images"]) == 6
        server.post("/free", {"unload_models": True, "free_memory": True})
        assert "Potential memory leak" not in server.log
        # the host's database complains of its own now and then: what counts is what goes through our files
        tracebacks = server.log.partition("got prompt")[2].split("Traceback")[1:]
        assert not [text for text in tracebacks if f"{PACK_FOLDER}/" in text]
