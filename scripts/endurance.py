"""What a pack must survive, tried on a real ComfyUI and the built-in model; figures go to docs/reliability.md.

    python scripts/endurance.py kills --count 50       SIGKILL at random moments of a render, then on from there
    python scripts/endurance.py prompts --count 200    mixed prompts one after another: memory, models left behind
    python scripts/endurance.py clients                two clients at once with the same node ids
    python scripts/endurance.py flags                  the host's memory flags give the same frames
    python scripts/endurance.py memory                 the computer's memory ends in the middle of a render
    python scripts/endurance.py length --count 30      so many minutes of sound, killed once on the way

Each prints one line of JSON and ends with 1 if something does not hold. Minutes, so the tests run short forms.
"""

import argparse
import hashlib
import importlib
import json
import math
import random
import shutil
import struct
import sys
import tempfile
import threading
import time
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import ComfyServer, ComfyServerError

ROOT = Path(__file__).resolve().parents[1]
COMFYUI = ROOT / ".cache" / "comfyui"
WORKFLOWS = ROOT / "example_workflows"
SAMPLES = ROOT / "emo_core" / "assets" / "samples"
FLAGS = (("--cache-none",), ("--cache-lru", "3"), ("--multi-user",), ("--disable-smart-memory",), ("--fp32-unet",))
"""--lowvram and --novram exclude --cpu: `tests/nodes/test_memory_moves.py` has a device of little memory for them."""
GROWTH = 0.02
"""Part by which memory may grow from the first half of many prompts to the last tenth."""
Prompt = dict[str, Any]


def prompt(server: ComfyServer, workflow: str = "talking_portrait", **widgets: Any) -> Prompt:
    """A workflow with some widgets changed; by default one second in two steps that leaves nothing on disk."""
    known = server.get("/object_info")
    graph = convert_ui_to_api(json.loads((WORKFLOWS / f"{workflow}.json").read_text()), known)
    for name, value in ({"length": 1.0, "steps": 2, "keep_clips": False} | widgets).items():
        holders = [
            node["inputs"]
            for node in graph.values()
            if _has_widget(known[node["class_type"]], name) and not isinstance(node["inputs"].get(name), list)
        ]
        if not holders:
            raise ValueError(f"no node of {workflow} has a widget {name}")
        for inputs in holders:
            inputs[name] = value
    return graph


def _has_widget(described: dict[str, Any], name: str) -> bool:
    return any(name in inputs for inputs in described["input"].values())


def text_of(data: bytes) -> str:
    """A line that a node shows: the node's id comes before it."""
    (size,) = struct.unpack(">I", data[:4])
    return data[4 + size :].decode(errors="replace")


def saved_video(server: ComfyServer, outputs: dict[str, Any]) -> Path:
    """The file that Save Video wrote."""
    shown = (entry for output in outputs.values() for entry in output.get("images", ()))
    (entry,) = [entry for entry in shown if entry["type"] == "output" and entry["filename"].endswith(".mp4")]
    return server.base / "output" / entry["subfolder"] / entry["filename"]


def frames_of(server: ComfyServer, outputs: dict[str, Any]) -> np.ndarray:
    """All frames of the saved video."""
    with av.open(saved_video(server, outputs)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def give_samples(base: Path) -> None:
    """Portraits and sounds for the loading nodes."""
    shutil.copytree(SAMPLES, base / "input", dirs_exist_ok=True)


def store_of(base: Path) -> tuple[bytes, int]:
    """What is on disk of finished clips and how many the journal knows."""
    folder = base / "output" / "emo_clips"
    journals = list(folder.glob("*.journal")) if folder.is_dir() else []
    if not journals:
        return b"", 0
    (journal,) = journals
    data = next(path for path in folder.glob(f"{journal.stem}.*") if path.suffix in (".part", ".latents"))
    return data.read_bytes(), sum(line.endswith("\n") for line in journal.read_text().splitlines(keepends=True))


def kills(base: Path, count: int, seed: int) -> dict[str, Any]:
    """Kill the server at random moments of a long render, start again, until it has been killed `count` times."""
    give_samples(base)
    rng = random.Random(seed)
    begun: list[float] = []
    with ComfyServer(COMFYUI, base, Path(sys.executable)) as server:
        graph = prompt(server, length=0.0, steps=1, keep_clips=True)
        begun.append(time.monotonic())

        def watch(kind: str, data: Any) -> None:
            if kind == "text" and b"clip " in data:
                begun.append(time.monotonic())

        whole = server.run(graph, watch)
        loading, sampling = begun[1] - begun[0], time.monotonic() - begun[1]
        truth = frames_of(server, whole.outputs)
    latents, clips = store_of(base)
    shutil.rmtree(base / "output" / "emo_clips")
    done: dict[str, Any] = {"kills": 0, "after_clips": [], "renders": 0, "clips": clips, "wrong": []}
    while done["kills"] < count:
        early = rng.random() < 0.25  # while it loads; else behind the first word about a clip
        moment = rng.uniform(0, loading if early else sampling / 2)
        _one_life(base, graph, early, moment, latents, truth, done)
        print(done, file=sys.stderr, flush=True)
    done["holds"] = not done["wrong"] and done["renders"] > 0
    return done


def _one_life(
    base: Path, graph: Prompt, early: bool, moment: float, latents: bytes, truth: np.ndarray, done: dict[str, Any]
) -> None:
    """One server from its start to its end, by a signal or with the video."""
    started: list[int] = []
    _, known = store_of(base)

    with ComfyServer(COMFYUI, base, Path(sys.executable)) as server:
        timer = threading.Timer(moment, server.kill)

        def watch(kind: str, data: Any) -> None:
            if kind != "text" or b"clip " not in data:
                return
            word = data.split(b"clip ")[1].split(b"/")[0]
            if word.isdigit():
                started.append(int(word))
                if not timer.is_alive() and not timer.finished.is_set():
                    timer.start()

        if early:
            timer.start()
        try:
            result = server.run(graph, watch, timeout=3600)
        except (ComfyServerError, OSError):
            result = None
        finally:
            timer.cancel()
    if started and started[0] != known + 1:
        done["wrong"].append(f"began with clip {started[0]} though {known} were finished")
    if result is None:
        _check_store(base, latents, known, done)
        return
    done["renders"] += 1
    if result.status != "success" or not np.array_equal(frames_of(server, result.outputs), truth):
        done["wrong"].append(f"render {done['renders']}: {result.error or 'other frames'}")
    shutil.rmtree(base / "output" / "emo_clips")


def _check_store(base: Path, latents: bytes, known: int, done: dict[str, Any]) -> None:
    """After a kill: nothing that was finished before is gone, and what is finished is right."""
    left, clips = store_of(base)
    done["kills"] += 1
    done["after_clips"].append(clips)
    whole = len(latents) * clips // done["clips"] if clips < done["clips"] else len(latents)
    if left[:whole] != latents[:whole]:
        done["wrong"].append(f"after kill {done['kills']} the finished clips differ")
    if clips < known:
        done["wrong"].append(f"after kill {done['kills']} {clips} clips are left of {known}")


def prompts(base: Path, count: int, seed: int) -> dict[str, Any]:
    """Many prompts of mixed sizes, lengths and families in one server; now and then everything is unloaded."""
    give_samples(base)
    rng = random.Random(seed)
    names = _small_families(base / "models")
    memory: list[int] = []
    wrong: list[str] = []
    with ComfyServer(COMFYUI, base, Path(sys.executable)) as server:
        for number in range(count):
            name = rng.choice(["emo-tiny (built in)", *names])
            size, length = rng.choice([64, 96, 128]), rng.uniform(0.85, 1.4)
            graph = prompt(server, seed=number, length=length, steps=1, size=size, model_name=name)
            result = server.run(_without_speed(graph) if name in names else graph)
            if result.status != "success":
                wrong.append(f"prompt {number} ({name}): {result.error}")
            if rng.random() < 0.1:
                server.post("/free", {"unload_models": True, "free_memory": True})
            memory.append(server.memory() or 0)
    half, end = memory[count // 4 : count // 2], memory[-max(1, count // 10) :]
    growth = float(np.median(end) / np.median(half) - 1)
    return {
        "prompts": count, "models": ["emo-tiny", *names], "wrong": wrong, "growth": round(growth, 4),
        "mebibytes": [memory[i] >> 20 for i in range(0, count, max(1, count // 20))],
        "holds": not wrong and growth < GROWTH,
    }  # fmt: skip


def _without_speed(graph: Prompt) -> Prompt:
    """The graph for a model that has no speed layers."""
    gone = {key for key, node in graph.items() if node["class_type"] == "EMO_EncodeSpeed"}
    return {
        key: node | {"inputs": {k: v for k, v in node["inputs"].items() if not (isinstance(v, list) and v[0] in gone)}}
        for key, node in graph.items()
        if key not in gone
    }  # fmt: skip


def _small_families(models: Path) -> list[str]:
    """Small random files in the published layouts."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    tiny = importlib.import_module("checkpoints.tiny")
    names = ["hallo", "echomimic", "v_express"]
    for name in names:
        tiny.write_release(name, models / "emo" / name)
    tiny.write_vae(models / "vae" / "sd-vae-ft-mse.safetensors")
    tiny.write_audio_encoders(models / "audio_encoders")
    return names


def clients(base: Path, count: int, seed: int) -> dict[str, Any]:
    """Two clients queue prompts with the same node ids at once: each gets its own frames."""
    give_samples(base)
    wrong: list[str] = []
    with ComfyServer(COMFYUI, base, Path(sys.executable)) as server:
        seeds = [seed + i for i in range(2 * count)]
        alone = {s: frames_of(server, server.run(prompt(server, seed=s)).outputs) for s in seeds}

        def client(own: list[int]) -> None:
            for s in own:
                made = server.run(prompt(server, seed=s, filename_prefix=f"client_{s}"))
                if made.status != "success" or not np.array_equal(frames_of(server, made.outputs), alone[s]):
                    wrong.append(f"seed {s}: {made.error or 'other frames'}")

        threads = [threading.Thread(target=client, args=(seeds[i::2],)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {"clients": 2, "prompts": len(seeds), "wrong": wrong, "holds": not wrong}


def flags(base: Path, count: int, seed: int) -> dict[str, Any]:
    """The same prompt under each flag, twice, against no flag."""
    made: dict[str, str] = {}
    for names in ((), *FLAGS):
        folder = base / "_".join(names).strip("-")
        give_samples(folder)
        with ComfyServer(COMFYUI, folder, Path(sys.executable), names) as server:
            results = [server.run(prompt(server, seed=s)) for s in (seed, seed + 1)]
            errors = [result.error for result in results if result.status != "success"]
            digests = [] if errors else [frames_of(server, result.outputs).tobytes() for result in results]
        made[" ".join(names)] = str(errors) if errors else hashlib.sha256(b"".join(digests)).hexdigest()[:12]
    wrong = [name for name, digest in made.items() if digest != made[""]]
    return {"flags": made, "wrong": wrong, "holds": not wrong}


def length(base: Path, count: int, seed: int) -> dict[str, Any]:
    """`count` minutes of sound in one step without guidance: memory against ten seconds, frames, sync, resuming."""
    give_samples(base)
    fast = {"steps": 1, "cfg": 1.0, "audio_cfg": 1.0, "length": 0.0, "keep_clips": True}
    seconds = {"short.wav": 10.0, "long.wav": count * 60 - 0.013}  # not a whole number of frames
    for name, lasting in seconds.items():
        _write_speech(base / "input" / name, lasting)
    with ComfyServer(COMFYUI, base, Path(sys.executable)) as server:
        made = server.run(prompt(server, "long_audio", audio="short.wav", **fast), timeout=3600)
        if made.status != "success":
            return {"error": made.error, "holds": False}
        short = server.peak_memory() or 0
    shutil.rmtree(base / "output" / "emo_clips")
    begin, heard = time.monotonic(), ["", ""]
    with ComfyServer(COMFYUI, base, Path(sys.executable)) as server:
        watcher = threading.Thread(target=_kill_when_half_done, args=(server, base, seconds["long.wav"]))
        watcher.start()
        try:
            server.run(prompt(server, "long_audio", audio="long.wav", **fast), timeout=36000)
        except (ComfyServerError, OSError):
            heard[0] = "killed"
        watcher.join()
    left, clips = store_of(base)

    def watch(kind: str, data: Any) -> None:
        if kind == "text" and b"found on disk" in data:
            heard[1] = text_of(data)

    with ComfyServer(COMFYUI, base, Path(sys.executable)) as server:
        result = server.run(prompt(server, "long_audio", audio="long.wav", **fast), watch, timeout=36000)
        peak = server.peak_memory() or 0
        figures = _measure_video(server, result.outputs) if result.status == "success" else {}
    kept = store_of(base)[0][: len(left)] == left
    wanted = math.ceil(seconds["long.wav"] * figures.get("fps", 25))
    holds = (
        heard[0] == "killed" and heard[1].startswith(f"{clips} of") and kept and figures.get("frames") == wanted
        and abs(figures["video_seconds"] - figures["sound_seconds"]) <= 1 / figures["fps"] and peak <= 1.05 * short
    )  # fmt: skip
    return {
        "minutes": count, "error": result.error, "wall_seconds": round(time.monotonic() - begin), "wanted": wanted,
        **figures, "peak_short_mib": short >> 20, "peak_mib": peak >> 20, "killed_after_clips": clips,
        "said": heard[1], "finished_clips_kept": kept, "holds": bool(holds),
    }  # fmt: skip


def memory(base: Path, count: int, seed: int) -> dict[str, Any]:
    """From the third clip on the system refuses memory to the server; then it has it again."""
    give_samples(base)
    heard: list[str] = []
    settings = {"size": 256, "length": 3.0, "keep_clips": True}
    with ComfyServer(COMFYUI, base, Path(sys.executable)) as server:
        small = server.run(prompt(server, size=256, length=0.4), timeout=3600)  # loads all there is

        def watch(kind: str, data: Any) -> None:
            if kind == "text" and b"clip 3/" in data:
                server.limit_memory(0)

        failed = server.run(prompt(server, **settings), watch, timeout=3600)
        server.limit_memory(None)
        _, clips = store_of(base)

        def listen(kind: str, data: Any) -> None:
            if kind == "text" and b"found on disk" in data:
                heard.append(text_of(data))

        after = server.run(prompt(server, **settings), listen, timeout=3600)
    said = failed.error or ""
    holds = "success" == small.status == after.status and "Out of memory at clip" in said and clips >= 2 and heard
    return {"error": said, "clips_kept": clips, "then": after.status, "found": heard[:1], "holds": bool(holds)}


def _write_speech(path: Path, seconds: float) -> None:
    """The sample speech again and again."""
    with wave.open(str(next(SAMPLES.glob("*speech.wav")))) as source:
        settings, data = source.getparams(), source.readframes(source.getnframes())
    wanted = round(seconds * settings.framerate) * settings.sampwidth * settings.nchannels
    with wave.open(str(path), "wb") as made:
        made.setparams(settings)
        made.writeframes((data * (wanted // len(data) + 1))[:wanted])


def _kill_when_half_done(server: ComfyServer, base: Path, seconds: float) -> None:
    journals = base / "output" / "emo_clips"
    while True:
        time.sleep(0.5)
        lines = [line for file in journals.glob("*.journal") for line in file.read_text().splitlines()]
        if lines and int(lines[-1].split()[0]) > seconds * 25 / 2:
            server.kill()
            return


def _measure_video(server: ComfyServer, outputs: dict[str, Any]) -> dict[str, Any]:
    with av.open(saved_video(server, outputs)) as file:
        video, sound = file.streams.video[0], file.streams.audio[0]
        frames = sum(1 for packet in file.demux(video) if packet.pts is not None)
        return {
            "fps": float(video.average_rate), "frames": frames,
            "video_seconds": float(video.duration * video.time_base),
            "sound_seconds": float(sound.duration * sound.time_base),
        }  # fmt: skip


TRIALS = {
    "length": (length, 30),
    "kills": (kills, 50),
    "memory": (memory, 1),
    "prompts": (prompts, 200),
    "clients": (clients, 4),
    "flags": (flags, 1),
}


def main() -> int:
    """Run one trial and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", choices=TRIALS)
    parser.add_argument("--count", type=int, help="how often")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    trial, usual = TRIALS[options.trial]
    with tempfile.TemporaryDirectory() as base:
        figures = trial(Path(base), options.count or usual, options.seed)
    print(json.dumps(figures))
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
