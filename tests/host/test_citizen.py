"""Example workflows for long, controlled and whole-picture videos, each run from its UI file with small settings."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import PACK, ComfyServer

from emo_core.media.video import read_frames

pytestmark = pytest.mark.host

Prompt = dict[str, Any]
SMALL = {"model_name": "random.safetensors", "length": 0.4, "steps": 1, "clip_frames": 4}
FRAMES = 10
SIZES = {
    "crop_animate_paste": (540, 960),
    "two_speakers": (540, 960),
    "long_audio": (64, 64),
    "head_speed_curve": (64, 64),
    "singing_with_vocals": (64, 64),
    "new_voice": (64, 64),
}


@pytest.fixture(scope="module")
def small(host: ComfyServer, workflow: Callable[..., Prompt]) -> Callable[[str], Prompt]:
    """`small(name)`: the prompt of an example workflow with small settings."""

    def prompt(name: str) -> Prompt:
        drawn = json.loads((PACK / "example_workflows" / f"{name}.json").read_text())
        converted = convert_ui_to_api(drawn, host.get("/object_info"))
        for node in converted.values():
            if node["class_type"].startswith("EMO_"):
                node["inputs"].update({key: value for key, value in SMALL.items() if key in node["inputs"]})
        return converted

    return prompt


def nodes_of(prompt: Prompt, class_type: str) -> list[str]:
    """The ids of the nodes of a class."""
    return [key for key, node in prompt.items() if node["class_type"] == class_type]


def saved(host: ComfyServer, prompt: Prompt) -> Path:
    """Run the prompt; the video that Save Video wrote."""
    result = host.run(prompt, timeout=600)
    assert result.status == "success", result.error
    (entry,) = result.outputs[nodes_of(prompt, "SaveVideo")[0]]["images"]
    return host.base / "output" / entry["subfolder"] / entry["filename"]


@pytest.mark.parametrize("name", SIZES)
def test_a_workflow_makes_its_video(host: ComfyServer, small: Callable[[str], Prompt], name: str) -> None:
    with av.open(saved(host, small(name))) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.frames, video.height, video.width) == (FRAMES, *SIZES[name])
        assert float(audio.duration * audio.time_base) == pytest.approx(0.4, abs=1 / 25)


def test_only_the_faces_of_a_wide_shot_move(host: ComfyServer, small: Callable[[str], Prompt]) -> None:
    prompt = small("crop_animate_paste")
    frames = np.stack(list(read_frames(saved(host, prompt)))).astype(int)
    moved = np.abs(frames - frames[0]).mean((0, 3))
    assert moved[126:403, 145:355].mean() > 3  # the face that is animated
    assert moved[:, 520:].mean() < 0.3  # the other one: what the video's compression does


def give_upscaler(host: ComfyServer, name: str) -> None:
    """A small random network that doubles pictures, under a name that users have."""
    from spandrel.architectures.Compact import Compact

    folder = host.base / "models" / "upscale_models"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.save(Compact(num_feat=8, num_conv=1, upscale=2).state_dict(), folder / name)


def test_frames_flow_through_an_upscaler_and_back_into_the_picture(
    host: ComfyServer, small: Callable[[str], Prompt]
) -> None:
    give_upscaler(host, "random_2x.pth")
    prompt = small("crop_animate_paste")
    (paste,) = nodes_of(prompt, "EMO_PasteBack")
    prompt["loader"] = {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "random_2x.pth"}}
    frames = prompt[paste]["inputs"]["frames"]
    prompt["upscale"] = {
        "class_type": "ImageUpscaleWithModel",
        "inputs": {"upscale_model": ["loader", 0], "image": frames},
    }
    prompt[paste]["inputs"]["frames"] = ["upscale", 0]
    with av.open(saved(host, prompt)) as container:
        assert container.streams.video[0].frames == FRAMES


def test_the_workflow_with_an_upscaler_makes_larger_frames_with_the_sound(
    host: ComfyServer, small: Callable[[str], Prompt]
) -> None:
    give_upscaler(host, "RealESRGAN_x4plus.pth")
    with av.open(saved(host, small("upscaled"))) as container:
        video = container.streams.video[0]
        assert (video.frames, video.height, video.width) == (FRAMES, 128, 128)
        assert container.streams.audio


def test_head_speed_follows_a_list_from_another_node(host: ComfyServer, small: Callable[[str], Prompt]) -> None:
    pytest.importorskip("librosa")
    prompt = small("singing_with_vocals")
    (speed,) = nodes_of(prompt, "EMO_EncodeSpeed")
    (music,) = nodes_of(prompt, "EMO_SpeedFromMusic")
    assert prompt[speed]["inputs"]["speeds"] == [music, 0]
    followed = np.stack(list(read_frames(saved(host, prompt))))
    del prompt[speed]["inputs"]["speeds"]
    assert not np.array_equal(followed, np.stack(list(read_frames(saved(host, prompt)))))
