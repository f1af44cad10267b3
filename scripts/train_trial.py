"""From videos to a talking portrait in ComfyUI: a small EMO trained by two processes that are killed on the way.

    python scripts/train_trial.py --steps 300 --kills 3

Films a photograph that moves, prepares it with emo-tiny's VAE and audio encoder, trains the paper's three stages of a
narrow model twice, once undisturbed and once with SIGKILL at random moments, and runs the workflow talking_portrait on
the result in a real ComfyUI. Prints one line of JSON and ends with 1 if something does not hold.
"""

import argparse
import dataclasses
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import psutil
import torch
from comfy_server import ComfyServer
from endurance import COMFYUI, give_samples, prompt, saved_video
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
films = importlib.import_module("footage.films")
tiny_config = importlib.import_module("emo_core.training.tiny").tiny_config
EMO_TINY = ROOT / "emo_core" / "assets" / "emo-tiny.safetensors"
FPS, SIZE = 25.0, 64
SHARES = {"image": 0.4, "video": 0.4, "speed": 0.2}


def main() -> int:
    """Film, prepare, train, generate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="of all stages together")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = trial(Path(name), options.steps, options.kills, random.Random(options.seed))
    print(json.dumps(figures))
    return 0 if figures["holds"] else 1


def trial(folder: Path, steps: int, kills: int, rng: random.Random) -> dict[str, Any]:
    """All of it below a folder."""
    clips = prepare(folder)
    plan = write_plan(folder, steps)
    begin = time.monotonic()
    launch(plan, folder / "whole").wait()
    seconds = time.monotonic() - begin
    moments = [kill_somewhere(plan, folder / "killed", steps, rng) for _ in range(kills)]
    launch(plan, folder / "killed").wait()
    losses = [losses_of(folder / run) for run in ("whole", "killed")]
    ours, theirs = (load_file(folder / run / "emo.safetensors") for run in ("whole", "killed"))
    other = [
        f"{stage} step {number}: {one} and {two}"
        for stage, rows in losses[0].items()
        for number, (one, two) in enumerate(zip(rows, losses[1][stage], strict=True), 1)
        if one != two
    ]
    other += [key for key in ours if not torch.equal(ours[key], theirs[key])]
    made = generate(folder, folder / "killed" / "emo.safetensors")
    curves = {stage: [round(mean(rows[:10]), 3), round(mean(rows[-10:]), 3)] for stage, rows in losses[0].items()}
    falls = all(last < first for first, last in (curves["image"], curves["video"]))
    return {
        "clips": clips, "steps": steps, "processes": 2, "seconds": round(seconds), "loss_first_and_last": curves,
        "killed_after_steps": moments, "differs": other[:5], **made,
        "holds": not other and falls and made["status"] == "success" and made["frames"] > 0,
    }  # fmt: skip


def prepare(folder: Path) -> int:
    """Three videos of ten seconds through the command; how many clips came of them."""
    (folder / "videos").mkdir()
    frames = round(10 * FPS)
    for number, degrees in enumerate((0.1, 0.25, 0.4)):
        pictures = films.roll_film(frames, degrees, start=-20.0)
        films.write_film(folder / "videos" / f"{number}.mp4", pictures, FPS, sound=films.voice(10.0))
    wishes = ["--fps", "25", "--size", str(SIZE), "--smallest-crop", "96", "--correlation", "0", "--workers", "1"]
    networks = ["--vae", str(EMO_TINY), "--audio-encoder", str(EMO_TINY)]
    emo("prepare", str(folder / "videos"), str(folder / "footage"), *wishes, *networks)
    lines = (folder / "footage" / "manifest.jsonl").read_text().splitlines()
    return sum(json.loads(line)["accepted"] for line in lines)


def emo(*words: str) -> None:
    """Run `python -m emo_core` with these words."""
    environment = os.environ | {"RAY_worker_niceness": "0"}  # Ray's own 15 starves on a busy machine
    command = [sys.executable, "-m", "emo_core", *words]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def write_plan(folder: Path, steps: int) -> Path:
    """emo-tiny at a third of its width."""
    config = tiny_config()
    unet = dataclasses.replace(config.unet, channels=(16, 32), attention=(True, True))
    temporal = dataclasses.replace(config.temporal, levels=(True, True))
    narrow = dataclasses.replace(config, unet=unet, temporal=temporal)
    loop = {
        "learning_rate": 2e-3, "warmup": 5, "ema": 0.98, "save_seconds": 2.0, "log_every": 1, "rows": 2,
        "sharing": "ddp", "mixed_precision": False, "tensorboard": False,
    }  # fmt: skip
    plan = {
        "data": [str(folder / "footage")],
        "model": narrow.to_dict(),
        "start": {"vae": str(EMO_TINY), "audio_encoder": str(EMO_TINY)},
        "validation": {"every": 0},
        "stages": {stage: {**loop, "steps": round(steps * share)} for stage, share in SHARES.items()},
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder / "plan.json"


def launch(plan: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Two processes of the command, in a group of their own."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "emo_core", "train", "--config", str(plan), "--folder", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)


def kill_somewhere(plan: Path, folder: Path, steps: int, rng: random.Random) -> int:
    """Start, wait for a random number of steps more than there are, SIGKILL; the steps that were logged by then."""
    goal = logged(folder) + rng.randint(1, steps // 4)
    run = launch(plan, folder)
    while run.poll() is None and logged(folder) < goal:
        time.sleep(0.1)
    family = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    for process in family:  # workers are in sessions of their own and would train on
        process.kill()
    run.wait()
    psutil.wait_procs(family)
    return logged(folder)


def logged(folder: Path) -> int:
    """The highest logged step of every stage, together."""
    return sum(max(row["step"] for row in rows) for rows in logs(folder).values())


def losses_of(folder: Path) -> dict[str, list[float]]:
    """Losses of each stage by step; steps that were done again after a kill count once."""
    return {
        stage: list({row["step"]: row["loss"] for row in sorted(rows, key=lambda row: row["step"])}.values())
        for stage, rows in logs(folder).items()
    }


def logs(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The log of every stage that has begun."""
    files = {stage: folder / stage / "log.jsonl" for stage in SHARES}
    return {
        stage: [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        for stage, file in files.items()
        if file.is_file() and file.stat().st_size
    }


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def generate(folder: Path, checkpoint: Path) -> dict[str, Any]:
    """A second of video with the new model in a real ComfyUI."""
    base = folder / "comfyui"
    give_samples(base)
    (base / "models" / "emo").mkdir(parents=True)
    (base / "models" / "emo" / "mine.safetensors").symlink_to(checkpoint)
    with ComfyServer(COMFYUI, base, Path(sys.executable)) as server:
        names = server.get("/object_info/EMO_LoadModel")["EMO_LoadModel"]["input"]["required"]["model_name"]
        (name,) = [choice for choice in _choices(names) if "mine" in choice]
        made = server.run(prompt(server, model_name=name, size=SIZE))
        if made.status != "success":
            return {"status": made.status, "error": made.error, "frames": 0}
        with av.open(saved_video(server, made.outputs)) as video:
            return {"status": made.status, "frames": sum(1 for _ in video.decode(video=0))}


def _choices(described: list[Any]) -> list[str]:
    return described[0] if isinstance(described[0], list) else described[1]["options"]


if __name__ == "__main__":
    sys.exit(main())
