"""From prepared shards to a checkpoint: the same clips by their place, a plan in a file, stages, validation, export."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import psutil
import pytest
import torch
from checkpoints.tiny import write_release
from safetensors.torch import load_file
from support import SMALL, Pack, random_checkpoint
from training.prepared import FRAMES, write_footage

from emo_core.animate import Animator, Wish
from emo_core.checkpoints.load import open_checkpoint
from emo_core.media.video import Sound, frame_rate, read_frames
from emo_core.training.checkpoint import alone_in
from emo_core.training.emo_task import EmoTask
from emo_core.training.footage.shards import read_clips, shard_urls
from emo_core.training.footage_recipe import train_on_footage
from emo_core.training.plan_file import PAPER_STAGES, read_plan
from emo_core.training.shard_clips import ShardClips
from emo_core.training.sharing import recompute_blocks
from emo_core.training.stages import SPEED, VIDEO
from emo_core.training.start import Start, start_config, start_model

pytest.importorskip("accelerate")
pytest.importorskip("webdataset")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    write_footage(folder, clips=5, size=64, channels=4, states=(3, 16))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("start") / "small.safetensors"
    random_checkpoint(path)
    return path


def write_plan(path: Path, footage: Path, checkpoint: Path, **stages: dict) -> Path:
    plan = {
        "data": [str(footage)],
        "model": json.loads(json.dumps(SMALL.to_dict())),
        "start": {"vae": str(checkpoint), "audio_encoder": str(checkpoint)},
        "validation": {"every": 6, "clips": 1, "steps": 2},
        "stages": stages,
    }
    path.write_text(json.dumps(plan))
    return path


QUICK = {
    "steps": 6,
    "learning_rate": "1e-3",
    "warmup": 1,
    "ema": 0.5,
    "save_seconds": 1e9,
    "mixed_precision": False,
}
QUICK |= {"sharing": "flat", "log_every": 2, "tensorboard": False}


def test_frames_by_their_place_are_those_of_the_stream(footage: Path, tmp_path: Path) -> None:
    clips = ShardClips([str(footage)], tmp_path)
    streamed = list(read_clips(shard_urls(str(footage))))
    assert len(clips) == len(streamed) == 5
    rows = np.array([3, 30, 4])
    for index, clip in enumerate(streamed):
        latents = clip.array("latents")
        assert latents is not None
        np.testing.assert_array_equal(clips.get(index, "latents", rows), latents[rows].astype(np.float32))
        np.testing.assert_array_equal(clips.get(index, "speed", rows), clip.rows("speed")[rows])
        assert clips.frames(index) == FRAMES
    assert clips.has("states")
    assert not clips.has("portraits")
    again = ShardClips([str(footage)], tmp_path)  # from the kept index
    torch.testing.assert_close(again.get(4, "states", slice(None)), clips.get(4, "states", slice(None)))


def test_footage_without_latents_says_how_to_make_them(tmp_path: Path) -> None:
    write_footage(tmp_path / "bare", clips=1, size=64, channels=4, states=None)
    clips = ShardClips([str(tmp_path / "bare")], tmp_path / "index")
    with pytest.raises(ValueError, match="--audio-encoder"):
        clips.get(0, "states", slice(None))


def test_a_plan_of_nothing_but_data_is_the_paper_s(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("data: footage\n")
    plan = read_plan(tmp_path / "plan.yaml")
    assert plan.data == ("footage",)
    assert [step.stage.name for step in plan.stages] == ["image", "video", "speed"]
    assert plan.stages[0] == PAPER_STAGES["image"]
    assert all(step.loop.learning_rate == 1e-5 for step in plan.stages)


def test_a_plan_changes_stage_and_loop_in_one_place(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        "data: [a, b]\nstages:\n  speed: {rows: 2, learning_rate: 1e-4, sharing: fsdp}\nstart: {vae: v.safetensors}\n"
    )
    plan = read_plan(tmp_path / "plan.yaml")
    (step,) = plan.stages
    assert (step.stage.rows, step.loop.learning_rate, step.loop.sharing) == (2, 1e-4, "fsdp")
    assert plan.start.vae == "v.safetensors"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("stages: {sound: {}}", "no stage"),
        ("stages: {video: {step: 3}}", "no field 'step'"),
        ("stages: {video: {steps: many}}", "must be a number"),
        ("stages: {video: {sharing: all}}", "must be one of"),
        ("start: {unet_file: x}", "no field 'unet_file'"),
        ("model: {unet: {chanels: [1]}}", "chanels"),
    ],
)
def test_a_wrong_plan_names_the_field(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(f"data: x\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_plan(tmp_path / "plan.yaml")


def test_recomputed_blocks_give_the_same_gradients(footage: Path, tmp_path: Path) -> None:
    clips = ShardClips([str(footage)], tmp_path)
    gradients = []
    for recompute in (False, True):
        model = start_model(Start(), SMALL, seed=0)
        names = [name for name, _ in model.named_parameters()]
        if recompute:
            recompute_blocks(model)
        stage = dataclasses.replace(VIDEO, frames=4)
        task = EmoTask(model, clips, stage, torch.zeros(4, 8, 8))
        task.loss(torch.Generator().manual_seed(3)).backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
        assert list(model.state_dict()) == list(start_model(Start(), SMALL, seed=0).state_dict())
    assert sum(grad is not None for grad in gradients[0]) > 100
    for name, plain, recomputed in zip(names, *gradients, strict=True):
        assert (plain is None) == (recomputed is None), name
        if plain is not None:
            torch.testing.assert_close(plain, recomputed, msg=name)


@pytest.mark.parametrize("family", ["hallo", "echomimic", "v_express"])
def test_published_families_learn_speed(family: str, tmp_path: Path) -> None:
    write_release(family, tmp_path / family)
    write_footage(tmp_path / "footage", clips=2, size=64, channels=4, states=None)
    start = Start(checkpoint=str(tmp_path / family))
    config = start_config(start, SMALL)
    model = start_model(start, config, seed=0)
    stage = dataclasses.replace(SPEED, frames=4, rows=1)
    task = EmoTask(model, ShardClips([str(tmp_path / "footage")], tmp_path), stage, torch.zeros(4, 8, 8))
    task.loss(torch.Generator().manual_seed(0)).backward()
    learned = {
        name for name, value in model.named_parameters() if value.grad is not None and value.grad.any()
    }
    assert any(".speed.attn.to_out." in name for name in learned)
    assert all(".motion_modules." in name or "speed_encoder" in name for name in learned)
    with pytest.raises(ValueError, match="train the stage 'speed'") if family != "hallo" else _nothing():
        EmoTask(model, task.clips, VIDEO, torch.zeros(4, 8, 8))


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


@pytest.fixture(scope="module")
def trained(footage: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of all three stages, a few steps each."""
    folder = tmp_path_factory.mktemp("trained")
    stages = {name: {**QUICK, "rows": 1} for name in ("image", "video", "speed")}
    plan = read_plan(write_plan(folder / "plan.json", footage, checkpoint, **stages))
    assert train_on_footage(plan, folder) == folder / "emo.safetensors"
    return folder


@pytest.mark.slow
def test_validation_clips_show_how_training_goes(trained: Path) -> None:
    validation = trained / "video" / "validation" / "step-000006"
    assert len(list(read_frames(validation / "00.mp4"))) == 16
    assert frame_rate(validation / "00.mp4") == 25
    assert (validation / "00.png").stat().st_size > 1000
    assert len((trained / "speed" / "log.jsonl").read_text().splitlines()) == 3


@pytest.mark.slow
def test_a_stage_that_is_done_is_left_alone(trained: Path) -> None:
    file = trained / "image" / "model.safetensors"
    before = file.stat().st_mtime_ns
    train_on_footage(read_plan(trained / "plan.json"), trained)
    assert file.stat().st_mtime_ns == before


@pytest.mark.slow
def test_the_export_animates_and_says_where_it_comes_from(trained: Path) -> None:
    checkpoint = open_checkpoint(trained / "emo.safetensors")
    assert checkpoint.provenance["stages"] == {"image": "6", "video": "6", "speed": "6"}
    animator = Animator.open(trained / "emo.safetensors")
    assert animator.config.speed is not None
    sound = Sound(torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)) * 0.1, 16000)
    frames = torch.cat(list(animator.animate(torch.rand(64, 64, 3), sound, Wish(steps=2))))
    assert frames.shape == (25, 64, 64, 3)


@pytest.mark.slow
def test_the_export_loads_in_comfyui_and_generates(trained: Path, pack: ModuleType) -> None:
    ours = Pack(pack)
    checkpoint = ours["emo_core.checkpoints.load"].open_checkpoint(trained / "emo.safetensors")
    values, sampling = ours["nodes.values"], ours["nodes.host.sampling"]
    with torch.inference_mode():
        model, encoders, audio, vae = ours["nodes.host.loading"].load_networks(checkpoint, "default")
        networks = ours["nodes.types"].EncodersValue(checkpoint.config, encoders, audio)
        sound = ours["emo_core.media.video"].Sound(0.1 * torch.ones(1, 4000), 16000)
        conditionings = values.conditionings(
            values.reference_of(networks, vae, torch.rand(1, 64, 64, 3)),
            values.audio_of(networks, sound, sound, 25.0),
            values.region_of(networks, None, 64, 0.05),
            values.speed_of(networks, 0.5, 1, 25.0, ""),
        )
        guider = sampling.make_guider(model, *conditionings[:3], 1.5, 2.0)
        sampler, sigmas = sampling.make_steps(model, "euler", "simple", 2, 1.0)
        noise = sampling.SeededNoise(0)
        samples = sampling.sample_clips(guider, noise, sampler, sigmas, conditionings[3], 0, None)["samples"]
    assert samples.shape == (7, 4, 8, 8)
    assert samples.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("sharing", ["ddp"])
def test_two_processes_resume_exactly(sharing: str, footage: Path, checkpoint: Path, tmp_path: Path) -> None:
    video = {**QUICK, "steps": 8, "rows": 1, "sharing": sharing, "log_every": 1, "save_seconds": 0.0}
    plan = write_plan(tmp_path / "plan.json", footage, checkpoint, video=video)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert launch(plan, whole).wait() == 0
    process = launch(plan, killed)
    log = killed / "video" / "log.jsonl"
    while process.poll() is None and (not log.is_file() or len(log.read_text().splitlines()) < 4):
        pass
    kill_all(process)
    assert launch(plan, killed).wait() == 0
    losses = [{row["step"]: row["loss"] for row in map(json.loads, open_log(f))} for f in (whole, killed)]
    assert losses[0] == losses[1]
    ours, theirs = (load_file(folder / "video" / "model.safetensors") for folder in (whole, killed))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def kill_all(launcher: subprocess.Popen) -> None:
    """SIGKILL for the launcher and its workers, which are in sessions of their own and would train on."""
    family = [psutil.Process(launcher.pid), *psutil.Process(launcher.pid).children(recursive=True)]
    for process in family:
        process.kill()
    launcher.wait()
    psutil.wait_procs(family)


def test_a_folder_that_another_process_trains_in_is_refused(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        other = subprocess.run(
            [sys.executable, "-m", "emo_core", "train", "--folder", str(tmp_path), "--until", "clips"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert other.returncode
    assert f"another process trains in {tmp_path}" in other.stderr
    with alone_in(tmp_path):
        pass


def open_log(folder: Path) -> list[str]:
    return (folder / "video" / "log.jsonl").read_text().splitlines()


def launch(plan: Path, folder: Path) -> subprocess.Popen:
    """Two processes of the command, in a group of their own."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, "-m", "emo_core", "train", "--config", str(plan), "--folder", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
