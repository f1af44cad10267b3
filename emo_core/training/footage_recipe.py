"""EMO on prepared footage: the stages of a plan one after the other, then one file; each step resumes."""

from __future__ import annotations

import dataclasses
import json
import logging
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..backend import Backend
from ..checkpoints.emo import CONFIG_KEY, PROVENANCE_KEY
from ..checkpoints.files import read_metadata
from ..checkpoints.load import AUDIO_ENCODER, VAE, fill, load_vae, open_checkpoint
from ..config import EmoConfig
from ..models.vae import AutoencoderKL
from .checkpoint import load_state, save_state
from .emo_task import EmoTask
from .footage.shards import PreparedClip
from .loop import Loop
from .plan_file import FootagePlan, StagePlan
from .shard_clips import ShardClips
from .sharing import recompute_blocks
from .start import Start, start_config, start_model
from .validation import Validator

LOG = logging.getLogger(__name__)


def train_on_footage(plan: FootagePlan, folder: Path, *, main: bool = True) -> Path:
    """Train the plan's stages and export; main: whether this process writes what all share.

    A stage that is done is left alone, one that was killed goes on from its newest checkpoint.
    """
    vae = open_vae(plan.start)
    config = dataclasses.replace(start_config(plan.start, plan.model), vae=vae.config)
    clips = ShardClips(plan.data, folder / "index")
    preset = dataclasses.replace(config.preset, size=clips.size, fps=clips.fps)
    config = dataclasses.replace(config, preset=preset)
    before: Path | None = None
    for step in plan.stages:
        LOG.info("stage %s", step.stage.name)
        home = folder / step.stage.name
        if not _is_done(home, step):
            _run(plan, step, config, clips, vae, before, home, main=main)
        before = home
    out = folder / "emo.safetensors"
    if main:
        export(plan, config, vae, folder, out)
    return out


def _run(
    plan: FootagePlan,
    step: StagePlan,
    config: EmoConfig,
    clips: ShardClips,
    vae: AutoencoderKL,
    before: Path | None,
    home: Path,
    *,
    main: bool,
) -> None:
    model = start_model(plan.start, config, plan.seed)
    if before is not None:
        model.load_state_dict(load_state(before / "model.safetensors"))
    if plan.recompute:
        recompute_blocks(model)
    training, held_out = clips.split(plan.validation.clips if plan.validation.every else 0)
    stage = dataclasses.replace(step.stage, frames=frames_of(step, config))
    split = step.loop.sharing == "fsdp"
    task = EmoTask(model, training, stage, grey_latents(vae, clips.size), equal_drops=split)
    validator = Validator(
        task,
        held_out,
        vae,
        plan.validation,
        home / "validation",
        sound=lambda clip: PreparedClip("", {}, {"flac": held_out.sound(clip)}).sound(),
        writes=main,
    )
    loop = dataclasses.replace(step.loop, validate_every=plan.validation.every, seed=plan.seed)
    Loop(task, loop, home, validate=validator).run()


def frames_of(step: StagePlan, config: EmoConfig) -> int:
    """Frames per row: the model's clip, or as many pictures as the stage says."""
    return config.temporal.clip_frames if step.stage.temporal else step.stage.frames


def _is_done(home: Path, step: StagePlan) -> bool:
    file = home / "model.safetensors"
    return file.is_file() and int(read_metadata(file).get("step", "0")) >= step.loop.steps


def open_vae(start: Start) -> AutoencoderKL:
    """The VAE of the plan, in full precision; ValueError if it names none."""
    for file in (start.vae, start.checkpoint):
        if file is None:
            continue
        if CONFIG_KEY not in read_metadata(Path(file)):
            if file == start.vae:
                return load_vae(Path(file), Backend(), dtype=torch.float32)
            continue
        checkpoint = open_checkpoint(Path(file), dtype=torch.float32)
        if checkpoint.part(VAE):
            empty = AutoencoderKL(checkpoint.config.vae, backend=Backend(device="meta"))
            return fill(empty, checkpoint.part(VAE), "VAE")
    raise ValueError("the plan names no VAE: give `start: {vae: FILE}`, the one the latents were made with")


@torch.inference_mode()
def grey_latents(vae: AutoencoderKL, size: int) -> Tensor:
    """Scaled latents [4, h, w] of a mid-grey picture: the paper's zero maps."""
    return vae.encode(torch.zeros(1, 3, size, size))[0].clone()


def export(plan: FootagePlan, config: EmoConfig, vae: AutoencoderKL, folder: Path, out: Path) -> None:
    """Write the newest stage as one half-precision file with its config and where it comes from.

    The VAE goes in as well, and an audio encoder of ours; wav2vec 2.0 and Whisper stay files of their own.
    """
    done = [
        step.stage.name for step in plan.stages if (folder / step.stage.name / "model.safetensors").is_file()
    ]
    if not done:
        raise ValueError(f"no stage in {folder} has saved a checkpoint yet")
    newest = folder / done[-1] / "model.safetensors"
    tensors = {name.removeprefix("encoders."): value for name, value in load_state(newest).items()}
    tensors |= {VAE + name: value for name, value in vae.state_dict().items()}
    if plan.start.audio_encoder is not None:
        encoder = open_checkpoint(Path(plan.start.audio_encoder)).part(AUDIO_ENCODER)
        tensors |= {AUDIO_ENCODER + name: value for name, value in encoder.items()}
    metadata = {
        CONFIG_KEY: json.dumps(config.to_dict()),
        PROVENANCE_KEY: json.dumps(_provenance(plan, folder, done)),
    }
    save_state(out, {name: value.half() for name, value in tensors.items()}, metadata)
    LOG.info("exported %s", out)


def _provenance(plan: FootagePlan, folder: Path, done: list[str]) -> dict[str, Any]:
    return {
        "trained_by": "python -m emo_core train",
        "stages": {name: read_metadata(folder / name / "model.safetensors").get("step") for name in done},
        "plan": dataclasses.asdict(plan),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "licence": "that of the start weights and of the footage; fill in before publishing",
    }
