"""The whole graph in the real server, from a UI workflow to an mp4."""

import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from comfy_server import ComfyServer
from PIL import Image

from emo_core.media.video import read_frames

pytestmark = pytest.mark.host

Prompt = dict[str, Any]
Workflow = Callable[..., Prompt]
FRAMES = 10  # 0.4 s at 25 frames per second: two clips of four and a short one


def node_of(prompt: Prompt, class_type: str) -> str:
    """The id of the only node of a class."""
    (found,) = [key for key, node in prompt.items() if node["class_type"] == class_type]
    return found


def video_of(host: ComfyServer, prompt: Prompt) -> Path:
    """Run the prompt; the file that Save Video wrote."""
    result = host.run(prompt)
    assert result.status == "success", result.error
    (entry,) = result.outputs[node_of(prompt, "SaveVideo")]["images"]
    return host.base / "output" / entry["subfolder"] / entry["filename"]


def pixels(video: Path) -> np.ndarray:
    """All frames [F, H, W, 3]."""
    return np.stack(list(read_frames(video)))


def test_the_workflow_makes_a_video_as_long_as_the_sound(host: ComfyServer, workflow: Workflow) -> None:
    with av.open(video_of(host, workflow())) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        lengths = [float(stream.duration * stream.time_base) for stream in (video, audio)]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.frames == FRAMES
    assert lengths == pytest.approx([0.4, 0.4], abs=1 / 25)


def test_the_same_seed_gives_the_same_frames(host: ComfyServer, workflow: Workflow) -> None:
    prompt = workflow(seed=5)
    prompt[node_of(prompt, "EMO_Sample")]["inputs"]["keep_clips"] = False  # nothing may come from disk
    first = pixels(video_of(host, prompt))
    host.post("/free", {"unload_models": True, "free_memory": True})  # or from the cache
    again = pixels(video_of(host, prompt))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, pixels(video_of(host, workflow(seed=6))))


def test_one_bar_counts_steps_over_all_clips_with_previews(host: ComfyServer, workflow: Workflow) -> None:
    prompt = workflow(seed=11)
    steps, texts, previews = [], [], 0

    def listen(kind: str, data: Any) -> None:
        nonlocal previews
        if kind == "progress" and data["node"] == node_of(prompt, "EMO_Sample"):
            steps.append((data["value"], data["max"]))
        texts.extend([data.decode(errors="replace")] if kind == "text" else [])
        previews += kind == "preview"

    assert host.run(prompt, listen).status == "success"
    assert steps == [(number, 6) for number in range(1, 7)]
    assert any("10 frames in 3 clips" in text for text in texts)
    said = [text.rpartition("clip ")[2] for text in texts if "clip " in text]
    assert list(dict.fromkeys(text.split(",")[0] for text in said)) == ["1/3", "2/3", "3/3"]
    assert [text.split(",")[0] for text in said if "left" in text] == ["1/3", "1/3", "2/3", "3/3"]  # from step 1 on
    assert previews >= 6


def test_cancel_stops_within_a_step(host: ComfyServer, workflow: Workflow) -> None:
    prompt = workflow(seed=12, steps=1000, denoise=1.0)
    asked = []

    def listen(kind: str, data: Any) -> None:
        if kind == "progress" and data["node"] == node_of(prompt, "EMO_Sample") and not asked:
            host.post("/interrupt", {})
            asked.append(time.monotonic())

    result = host.run(prompt, listen)
    assert result.error == "EMO_Sample: interrupted"
    assert time.monotonic() - asked[0] < 5


def test_the_stock_sampler_takes_our_model(host: ComfyServer, workflow: Workflow) -> None:
    prompt = workflow(length=0.16)  # one clip
    ours = prompt[node_of(prompt, "EMO_Sample")]
    links = ours["inputs"]
    ours["class_type"] = "KSampler"
    ours["inputs"] = {
        "model": links["model"],
        "positive": links["full"],
        "negative": links["none"],
        "latent_image": links["latent"],
        "seed": 1,
        "steps": 2,
        "cfg": 1.5,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
    }
    stock = pixels(video_of(host, prompt))
    same = pixels(video_of(host, workflow(length=0.16, seed=1, cfg=1.5, audio_cfg=1.5)))
    assert np.array_equal(stock, same)


def test_the_custom_sampler_makes_what_the_simple_one_makes(host: ComfyServer, workflow: Workflow) -> None:
    prompt = workflow()
    ours = prompt[node_of(prompt, "EMO_Sample")]
    links = ours["inputs"]
    conds = {"positive": links["full"], "negative": links["none"]}
    prompt |= {
        "noise": {"class_type": "RandomNoise", "inputs": {"noise_seed": 1}},
        "guider": {"class_type": "CFGGuider", "inputs": {"model": links["model"], **conds, "cfg": 1.5}},
        "sampler": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "sigmas": {
            "class_type": "BasicScheduler",
            "inputs": {"model": links["model"], "scheduler": "simple", "steps": 2, "denoise": 1.0},
        },
    }
    names = ("noise", "guider", "sampler", "sigmas")
    ours["class_type"] = "EMO_SampleClips"
    ours["inputs"] = {"latent": links["latent"], "clip_frames": 4, **{name: [name, 0] for name in names}}
    custom = pixels(video_of(host, prompt))
    assert np.array_equal(custom, pixels(video_of(host, workflow(seed=1, cfg=1.5, audio_cfg=1.5))))


def test_inspect_draws_a_picture(host: ComfyServer, workflow: Workflow) -> None:
    prompt = workflow()
    result = host.run(prompt)
    (entry,) = result.outputs[node_of(prompt, "EMO_Inspect")]["images"]
    with Image.open(host.base / "temp" / entry["subfolder"] / entry["filename"]) as picture:
        assert picture.width == 768


@pytest.mark.parametrize(
    ("widgets", "words"),
    [
        ({"start": 100.0}, "EMO_EncodeAudio: start 100.0 s is behind the end of the audio, which lasts 5.30 s"),
        ({"curve": "fast"}, "EMO_EncodeSpeed: 'fast' is no point of a speed curve"),
    ],
)
def test_a_wrong_input_gives_the_promised_sentence(
    host: ComfyServer, workflow: Workflow, widgets: dict[str, Any], words: str
) -> None:
    result = host.run(workflow(**widgets))
    assert result.status == "error"
    assert words in (result.error or "")


def test_a_missing_model_is_named(host: ComfyServer, workflow: Workflow) -> None:
    prompt = workflow()
    (host.base / "models" / "emo" / "gone.safetensors").write_bytes(b"not weights")
    prompt[node_of(prompt, "EMO_LoadModel")]["inputs"]["model_name"] = "gone.safetensors"
    assert "is not a weight file" in (host.run(prompt).error or "")


def test_the_workflow_is_offered_as_a_template(host: ComfyServer) -> None:
    assert "talking_portrait" in host.get("/workflow_templates")["ComfyUI-EMO"]


def test_samples_lie_in_the_input_folder(host: ComfyServer) -> None:
    assert {"emo_portrait.png", "emo_speech.wav"} <= {path.name for path in (host.base / "input").iterdir()}


def test_every_input_and_output_is_explained(host: ComfyServer) -> None:
    for name, info in host.get("/object_info").items():
        if name.startswith("EMO_"):
            specs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
            silent = [key for key, spec in specs.items() if not spec[1].get("tooltip")]
            assert not silent, f"{name} says nothing about {silent}"
            assert all(info["output_tooltips"]), name
            assert info["description"], name


def test_every_node_has_a_help_page(host: ComfyServer) -> None:
    for name in (name for name in host.get("/object_info") if name.startswith("EMO_")):
        with urllib.request.urlopen(f"{host.url}/extensions/ComfyUI-EMO/docs/{name}.md") as page:
            assert page.read().startswith(b"# ")
