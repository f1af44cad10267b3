"""Pictures of the templates for ComfyUI's template browser: `python scripts/thumbnails.py [NAME ...]`.

Each template runs in a real ComfyUI with the built-in model, two seconds long, and four frames of what it saved
become `example_workflows/NAME.jpg`. Templates of models that must be downloaded get a picture of what the model
is given: the portrait with its face region, and the sound.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import PACK, ComfyServer, ComfyServerError
from PIL import Image, ImageOps

WORKFLOWS = PACK / "example_workflows"
SIDE = 400
"""Side of a picture, px; the template browser shows squares."""
SECONDS = 2.0
BUILT_IN = "emo-tiny"
SAME_VIDEO = {"upscaled": "talking_portrait"}
"""Templates that need a file users bring, and the template whose video they go on with."""


def main() -> int:
    """Make the pictures of the named templates, or of all."""
    names = sys.argv[1:] or sorted(path.stem for path in WORKFLOWS.glob("*.json"))
    videos: dict[str, list[Image.Image]] = {}
    with tempfile.TemporaryDirectory() as base, ComfyServer(
        PACK / ".cache" / "comfyui", Path(base), Path(sys.executable)
    ) as server:
        for name in names:
            source = SAME_VIDEO.get(name, name)
            prompt = prompt_of(server, source)
            if not any(BUILT_IN in str(node["inputs"].get("model_name")) for node in prompt.values()):
                picture = given(server, prompt)
            else:
                if source not in videos:
                    videos[source] = frames_of(server, prompt)
                picture = grid(videos[source])
            picture.save(WORKFLOWS / f"{name}.jpg", quality=85)
            print(f"{name}.jpg", flush=True)
    return 0


def prompt_of(server: ComfyServer, name: str) -> dict[str, Any]:
    """A template as the frontend sends it, short."""
    drawn = json.loads((WORKFLOWS / f"{name}.json").read_text())
    prompt = convert_ui_to_api(drawn, server.get("/object_info"))
    for node in prompt.values():
        if node["class_type"] == "EMO_EncodeAudio":
            node["inputs"]["length"] = SECONDS
    return prompt


def frames_of(server: ComfyServer, prompt: dict[str, Any]) -> list[Image.Image]:
    """All frames of the video that the template saves."""
    result = server.run(prompt, timeout=3600)
    if result.status != "success":
        raise ComfyServerError(result.error or "the template failed")
    (saver,) = [key for key, node in prompt.items() if node["class_type"] == "SaveVideo"]
    (entry,) = result.outputs[saver]["images"]
    with av.open(server.base / "output" / entry["subfolder"] / entry["filename"]) as video:
        return [frame.to_image() for frame in video.decode(video=0)]


def grid(frames: list[Image.Image]) -> Image.Image:
    """Four frames of a video: square ones as two rows of two, wide ones below each other in pairs."""
    picked = [frames[round(share * (len(frames) - 1))] for share in (0.15, 0.4, 0.65, 0.9)]
    if picked[0].width > picked[0].height:
        strips = [ImageOps.fit(frame, (SIDE, SIDE // 2)) for frame in picked[1:3]]
        return _paste([(strips[0], (0, 0)), (strips[1], (0, SIDE // 2))])
    half = SIDE // 2
    cells = [ImageOps.fit(frame, (half, half), Image.Resampling.BICUBIC) for frame in picked]
    return _paste([(cell, (half * (i % 2), half * (i // 2))) for i, cell in enumerate(cells)])


def given(server: ComfyServer, prompt: dict[str, Any]) -> Image.Image:
    """The portrait in its face region above the sound."""
    from emo_core.face.boxes import box_mask
    from emo_core.face.regions import middle_box
    from emo_core.media.pictures import region_panel, waveform_panel
    from emo_core.media.video import read_sound

    def file(class_type: str, widget: str) -> Path:
        (node,) = [node for node in prompt.values() if node["class_type"] == class_type]
        return server.base / "input" / node["inputs"][widget]

    portrait = ImageOps.fit(Image.open(file("LoadImage", "image")).convert("RGB"), (300, 300))
    mask = box_mask(middle_box(300), 300, 300)[0, 0].numpy()
    long = any(node["class_type"] == "EMO_LoadAudio" for node in prompt.values())
    sound = read_sound(file("EMO_LoadAudio" if long else "LoadAudio", "audio"))
    samples = sound.samples.mean(0).numpy()
    sheet = Image.new("RGB", (SIDE, SIDE), "white")
    sheet.paste(region_panel(np.asarray(portrait) / 255, mask).resize((300, 300)), (50, 0))
    sheet.paste(waveform_panel(samples, sound.seconds, (SIDE, 100)), (0, 300))
    return sheet


def _paste(parts: list[tuple[Image.Image, tuple[int, int]]]) -> Image.Image:
    sheet = Image.new("RGB", (SIDE, SIDE))
    for part, place in parts:
        sheet.paste(part, place)
    return sheet


if __name__ == "__main__":
    sys.path.append(str(PACK))
    sys.exit(main())
