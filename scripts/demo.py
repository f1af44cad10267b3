"""One portrait and one sound become a talking video, in a real ComfyUI: what `make demo` runs.

The workflow is the one users open in the browser; comfy-cli converts it for the server, and only the files
named by its LoadImage and LoadAudio nodes are exchanged.
"""

import argparse
import json
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import ComfyServer, ComfyServerError
from PIL import Image, UnidentifiedImageError

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / "example_workflows" / "talking_portrait.json"
SAMPLES = ROOT / "emo_core" / "assets" / "samples"
COMFYUI = ROOT / ".cache" / "comfyui"
BASE = ROOT / ".cache" / "demo"
BAR_WIDTH = 30


class DemoError(RuntimeError):
    """The demo cannot go on; the message says what was found, what is wanted and what to do."""


def main() -> int:
    options = parse_options()
    try:
        check_inputs(options.portrait, options.audio)
        make_video(options)
    except (DemoError, ComfyServerError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped", file=sys.stderr)
        return 130
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make output/talking_portrait.mp4 with a real ComfyUI.")
    parser.add_argument("--portrait", type=Path, help="picture of one face; default: the sample")
    parser.add_argument("--audio", type=Path, help="speech or song; default: the sample")
    parser.add_argument("--comfyui", type=Path, help="a ComfyUI folder; default: the one in .cache")
    parser.add_argument("--workflow", type=Path, default=WORKFLOW, help="UI-format workflow to run")
    parser.add_argument("--output", type=Path, default=ROOT / "output", help="folder for the results")
    return parser.parse_args()


def check_inputs(portrait: Path | None, audio: Path | None) -> None:
    """Refuse unreadable files before ComfyUI is started."""
    for name, file in (("PORTRAIT", portrait), ("AUDIO", audio)):
        if file and not file.is_file():
            raise DemoError(f"{name}={file}: there is no such file")
    if portrait:
        try:
            Image.open(portrait).verify()
        except (UnidentifiedImageError, OSError) as error:
            raise DemoError(f"PORTRAIT={portrait} is not a picture that can be read: {error}") from error
    if audio:
        try:
            with av.open(audio) as container:
                sounds = len(container.streams.audio)
        except (av.FFmpegError, OSError) as error:
            raise DemoError(f"AUDIO={audio} cannot be read: {error}") from error
        if not sounds:
            raise DemoError(f"AUDIO={audio} holds no sound: give a file with an audio track")


def make_video(options: argparse.Namespace) -> None:
    """Run the workflow and leave the video and its contact sheet in the output folder."""
    start = time.perf_counter()
    comfyui = (options.comfyui or COMFYUI).expanduser().resolve()
    python = None if options.comfyui else Path(sys.executable)
    print(f"demo: starting ComfyUI from {comfyui}", flush=True)
    with ComfyServer(comfyui, BASE, python) as server:
        if "IMPORT FAILED" in server.log:
            raise DemoError(f"ComfyUI could not import this pack; see {server.log_path}")
        print(f"demo: listening on {server.url} after {time.perf_counter() - start:.0f} s", flush=True)
        prompt = read_workflow(options.workflow, server.get("/object_info"))
        give_inputs(prompt, options.portrait, options.audio)
        started = time.perf_counter()
        result = server.run(prompt, ProgressLine(prompt), timeout=24 * 3600)
        run_seconds = time.perf_counter() - started
        print(flush=True)
        if result.status != "success":
            raise DemoError(f"the workflow failed. {result.error or f'See {server.log_path}'}")
        memory = server.peak_memory()
    video = collect_video(result.outputs, options.output / f"{options.workflow.stem}.mp4")
    sheet = video.with_suffix(".png")
    command = [str(server.python), "-m", "emo_core", "sheet", str(video.resolve()), "-o", str(sheet.resolve())]
    subprocess.run(command, cwd=ROOT, check=True)
    print(f"video:          {shown(video)}\ncontact sheet:  {shown(sheet)}")
    print(f"time:           {run_seconds:.1f} s in ComfyUI, {time.perf_counter() - start:.1f} s in all")
    print(f"peak memory:    {f'{memory / 2**30:.2f} GiB' if memory else 'not known on this system'}")


def read_workflow(path: Path, object_info: dict[str, Any]) -> dict[str, Any]:
    """The workflow at `path` as the server wants it."""
    workflow = json.loads(path.read_text())
    unknown = {node["type"] for node in workflow["nodes"]} - {"Note", "MarkdownNote"} - set(object_info)
    if unknown:
        raise DemoError(f"this ComfyUI does not know {', '.join(sorted(unknown))} of {path.name}")
    return convert_ui_to_api(workflow, object_info)


def give_inputs(prompt: dict[str, Any], portrait: Path | None, audio: Path | None) -> None:
    """Copy the files into ComfyUI's input folder and name them in the loading nodes of `prompt`."""
    for node in prompt.values():
        for class_type, widget, file in (("LoadImage", "image", portrait), ("LoadAudio", "audio", audio)):
            if node["class_type"] != class_type:
                continue
            source = file or SAMPLES / node["inputs"][widget]
            if not source.is_file():
                raise DemoError(f"{source} is missing: it is the default of {class_type} in the workflow")
            node["inputs"][widget] = source.name
            shutil.copyfile(source, BASE / "input" / source.name)


class ProgressLine:
    """Shows the messages of a run as one line that is written again and again."""

    def __init__(self, prompt: dict[str, Any]) -> None:
        self._titles = {key: node.get("_meta", node).get("title", "") for key, node in prompt.items()}
        self._title = ""
        self._text = ""
        self._terminal = sys.stdout.isatty()

    def __call__(self, kind: str, data: Any) -> None:
        if kind == "executing" and data.get("node"):
            self._title, self._text = self._titles.get(data["node"], data["node"]), ""
            self._show("") if self._terminal else print(f"demo: {self._title}", flush=True)
        elif kind == "text":
            (length,) = struct.unpack(">I", data[:4])  # the node's id comes before the text
            self._text = data[4 + length :].decode(errors="replace")
        elif kind == "progress" and data["max"]:
            done = data["value"] / data["max"]
            bar = "#" * round(done * BAR_WIDTH)
            self._show(f"[{bar:-<{BAR_WIDTH}}] {done:4.0%} ")

    def _show(self, bar: str) -> None:
        if self._terminal:
            print(f"\r\033[K{bar}{self._title}  {self._text}", end="", flush=True)


def collect_video(outputs: dict[str, Any], target: Path) -> Path:
    """Copy the first saved mp4 among `outputs` to `target`, never leaving half a file there."""
    entries = [entry for node in outputs.values() for kind in node.values() for entry in kind]
    saved = [
        entry
        for entry in entries
        if isinstance(entry, dict) and entry.get("type") == "output" and entry["filename"].endswith(".mp4")
    ]
    if not saved:
        raise DemoError("the workflow saved no mp4: it needs a Save Video node")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part")
    shutil.copyfile(BASE / "output" / saved[0]["subfolder"] / saved[0]["filename"], partial)
    return partial.replace(target)


def shown(path: Path) -> Path:
    """`path` as short as it can be written from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    sys.exit(main())
