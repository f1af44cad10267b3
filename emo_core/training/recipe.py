"""The whole way to emo-tiny, step by step, each resumable: clips, head finder, VAE, audio encoder, latents, stages, and
the file of it all."""

from __future__ import annotations

import dataclasses
import json
import logging
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..backend import Backend
from ..checkpoints.emo import CONFIG_KEY, PROVENANCE_KEY
from ..checkpoints.files import read_json, read_metadata, read_tensors
from ..config import EmoConfig
from ..models.emo import Emo
from ..models.vae import AutoencoderKL
from .audio_encoder import ENCODER, AudioPlan, load_audio_encoder, make_corpora, train_audio_encoder
from .checkpoint import load_state, read_log, save_state, write_text
from .decoded_faces import DecodedFaces
from .emo_task import EmoTask
from .emphasis import Emphasis, as_matrix, emphasise
from .expressing_task import ExpressingTask
from .expression_reader import ExpressionReader, ReaderTask
from .finder_task import FinderTask
from .initialise import initialise
from .latent_clips import LatentClips, encode_clips, encode_states
from .listening_task import ListeningTask
from .loop import Loop, LoopPlan, Task
from .moving_task import MovingTask
from .plan_file import Validation
from .spoken_clips import SpokenClips, encode_spoken
from .stages import (
    EXPRESSING,
    GOING_ON,
    HEARING,
    IMAGE,
    LISTENING,
    MOVING,
    STAGES,
    TINY_HEARING,
    TINY_SPEED,
    TINY_VIDEO,
    TURNING,
    VIDEO,
    WARPING,
    Stage,
)
from .synthetic.clip_plan import ClipPlan
from .synthetic.clip_shards import ClipShards
from .synthetic.clips import make_clips
from .tiny import tiny_config
from .turning_task import TurningTask
from .vae import DECODER, VaePlan, VaeTask, psnr
from .validation import Validator
from .warping_task import WarpingTask

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Sizes and lengths of every step."""

    clips: int = 2048
    clip_plan: ClipPlan = field(default_factory=lambda: ClipPlan(seed=2, even_speeds=0.25))
    posed: int = 8192
    """Faces posed at random, nine pictures each."""
    posed_plan: ClipPlan = field(
        default_factory=lambda: ClipPlan(
            seed=3, frames=9, portraits=1, drawn_share=0.6, posed=True, recoloured=0.5, cartoons=0.6
        )
    )
    vae: LoopPlan = field(
        default_factory=lambda: LoopPlan(
            2600, 1e-3, warmup=50, cooldown=1.0, weight_decay=0.0, clip=10.0, ema=0.997, mixed_precision=True
        )
    )
    decoder: LoopPlan = field(
        default_factory=lambda: LoopPlan(
            16000, 1e-3, warmup=50, cooldown=1.0, weight_decay=0.0, clip=10.0, ema=0.997, mixed_precision=True
        )
    )
    """The VAE's decoder alone, behind the stages."""
    finder: LoopPlan = field(
        default_factory=lambda: LoopPlan(
            1900, 2e-3, warmup=50, cooldown=0.9, weight_decay=1e-3, clip=5.0, ema=0.99
        )
    )
    """Of the network that finds the head in a portrait."""
    audio: AudioPlan = field(default_factory=AudioPlan)
    reader: LoopPlan = field(default_factory=lambda: LoopPlan(1500, 1e-3, warmup=1, cooldown=1.0, ema=0.99))
    stages: dict[str, LoopPlan] = field(
        default_factory=lambda: {
            "image": LoopPlan(60, 1e-3, warmup=50, cooldown=0.2),
            "moving": LoopPlan(2000, 2e-3, warmup=50, cooldown=0.7, ema=0.99, weight_decay=0.0),
            "turning": LoopPlan(4000, 1.5e-3, warmup=50, cooldown=1.0, ema=0.99, weight_decay=0.0),
            "listening": LoopPlan(1500, 1.5e-3, warmup=20, cooldown=1.0, ema=0.99, weight_decay=0.0),
            "warping": LoopPlan(600, 2e-3, warmup=30, cooldown=1.0, ema=0.99, weight_decay=0.0),
            "expressing": LoopPlan(8000, 2e-3, warmup=50, cooldown=0.7, ema=0.99, weight_decay=0.0),
            "hearing": LoopPlan(1200, 2e-3, warmup=100, cooldown=0.7, ema=0.99),
            "video": LoopPlan(200, 1.2e-3, warmup=30, cooldown=0.8, ema=0.99),
            "speed": LoopPlan(100, 7e-4, warmup=30, cooldown=0.5),
        }
    )
    further: dict[str, LoopPlan] = field(
        default_factory=lambda: {
            "expressing": LoopPlan(1000, 1.5e-3, warmup=50, cooldown=0.8, ema=0.99, weight_decay=0.0, seed=1),
            "hearing": LoopPlan(200, 1e-3, warmup=50, cooldown=0.7, seed=1),
            "video": LoopPlan(60, 5e-4, warmup=20, cooldown=0.8, seed=1, log_every=20),
            "speed": LoopPlan(60, 3e-4, warmup=20, cooldown=0.8, seed=1, log_every=20),
        }
    )
    """The stages of a folder that goes on from a finished file, as long as those that shipped files went on with."""
    emphasis: Emphasis = field(default_factory=lambda: {"round": 1.25, "brow": 1.25})
    """How many times as loud the exported file hears what tokens tell (`as_matrix`), chosen on validation clips."""
    validation: Validation = field(default_factory=lambda: Validation(600, 2, 8, 1.0, 1.0))
    held_out: int = 8
    """Clips of the folder that are not trained on, for validation."""
    seed: int = 0

    def shortened(self, share: float) -> Recipe:
        """The same way with this share of its clips, people, sounds and steps, to see before a long run that it works.

        Raises ValueError for a share outside 0..1.
        """
        if not 0 < share <= 1:
            raise ValueError(f"the share is {share:g}, want more than 0 and at most 1, as 0.2 for a fifth")

        def part(number: int) -> int:
            return max(1, round(number * share))

        def briefer(plan: LoopPlan) -> LoopPlan:
            return dataclasses.replace(plan, steps=part(plan.steps), warmup=part(plan.warmup))

        def all_briefer(plans: dict[str, LoopPlan]) -> dict[str, LoopPlan]:
            return {name: briefer(plan) for name, plan in plans.items()}

        return dataclasses.replace(
            self,
            clips=max(self.held_out + 1, part(self.clips)),
            posed=part(self.posed),
            vae=briefer(self.vae),
            decoder=briefer(self.decoder),
            finder=briefer(self.finder),
            audio=dataclasses.replace(
                self.audio, clips=part(self.audio.clips), training=briefer(self.audio.training)
            ),
            reader=briefer(self.reader),
            stages=all_briefer(self.stages),
            further=all_briefer(self.further),
        )

    def stage(self, name: str, folder: Path) -> LoopPlan:
        """How a stage is trained in a folder."""
        plan = self.further.get(name, self.stages[name]) if (folder / START).is_file() else self.stages[name]
        return dataclasses.replace(plan, validate_every=self.validation.every, tensorboard=True)


def train(
    folder: Path,
    recipe: Recipe,
    *,
    rank: int = 0,
    processes: int = 1,
    until: str = "export",
    only: str | None = None,
) -> None:
    """Run every step that is not done yet, up to and with `until` (a step's name), or `only` one."""
    goes_on = (folder / START).is_file()
    if goes_on and only in BROUGHT_ALONG:
        raise ValueError(f"step {only!r} came with the file that {folder} goes on from: train from nothing to run it")
    skipped = (*BROUGHT_ALONG, "decoder") if goes_on and only is None else ()
    for name, step in STEPS.items() if only is None else [(only, STEPS[only])]:
        LOG.info("step %s", name)
        if name not in skipped:
            step(folder, recipe, rank, processes)
        if processes > 1:
            torch.distributed.barrier()
        if name == until:
            return


def keep_share(folder: Path, share: float) -> None:
    """Note with what share of everything a folder was begun; ValueError if it was another one.

    A VAE that learned on would no longer fit the latents that were made with it, and so on down the way.
    """
    file = folder / SHARE
    if not file.is_file():
        whole = (folder / "clips").is_dir()  # begun before shares were noted, when there was only the whole
        write_text(file, json.dumps(1.0 if whole else share))
    begun = json.loads(file.read_text())
    if begun != share:
        raise ValueError(
            f"{folder} was begun with --share {begun:g} and is asked for {share:g}: give {begun:g} again, or another "
            "--folder"
        )


def start_from(file: Path, folder: Path) -> None:
    """Lay out a finished emo-tiny, so that `train` goes on with the stages that draw; done once per folder.

    Its averaged weights are where they begin, without the emphasis it was exported with; states of the optimiser are
    not in such a file.
    """
    if (folder / START).is_file():
        return
    metadata = read_metadata(file)
    if PROVENANCE_KEY not in metadata:
        raise ValueError(f"{file} is not a file that `python -m emo_core train` exported")
    provenance = read_json(metadata, PROVENANCE_KEY)
    if TURNING.name not in _ever_trained(provenance):
        raise ValueError(
            f"{file} is from before a mover was told true poses, so what it learned about moving means something else: "
            "train one from nothing, or go on with the version of this pack that made it"
        )
    config = EmoConfig.from_dict(read_json(metadata, CONFIG_KEY))
    scaling = config.vae.scaling
    today = tiny_config(scaling)
    of_today = dataclasses.replace(config.reference, warp=today.reference.warp)  # which learns from nothing here
    if dataclasses.replace(config, preset=today.preset, reference=of_today) != today:
        raise ValueError(
            f"{file} is an emo-tiny of another layout than today's: train one from nothing, or go on with the version "
            "of this pack that made it"
        )
    tensors = read_tensors(file, torch.float32)
    for prefix, path in COMPANION_FILES.items():
        part = {k.removeprefix(f"{prefix}."): tensors.pop(k) for k in list(tensors) if k.startswith(f"{prefix}.")}
        if part or prefix not in MAY_LACK:
            save_state(folder / path, part)
    (folder / "vae" / "scaling.json").write_text(json.dumps(scaling))
    model = Emo(today, backend=Backend())
    initialise(model, 0)
    lacking = () if config.reference.warp else ("backbone.warp.",)
    names = [name for name in model.state_dict() if not name.startswith(lacking)]
    model.load_state_dict({name: tensors[name.removeprefix("encoders.")] for name in names}, strict=not lacking)
    emphasis = provenance["recipe"].get("emphasis", {})
    emphasise(model, as_matrix(emphasis).inverse())
    save_state(folder / LISTENING.name / "model.safetensors", model.state_dict())
    write_text(folder / START, metadata[PROVENANCE_KEY])


def _ever_trained(provenance: dict[str, Any]) -> set[str]:
    """Stages that a file, or one that it goes on from, went through."""
    return {name for made in _made_after_another(provenance) for name in made.get("stages", {})}


def _made_after_another(provenance: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """How a file was made, then the one that it goes on from, and so on."""
    made: dict[str, Any] | None = provenance
    while made:
        yield made
        made = made.get("went_on_from")


def _clips(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
    if rank == 0:
        workers = max(1, processes)
        make_clips(folder / "clips", recipe.clips, _of_new_people(recipe.clip_plan, folder), workers)
        make_clips(folder / "posed", recipe.posed, _of_new_people(recipe.posed_plan, folder), workers)


def _of_new_people(plan: ClipPlan, folder: Path) -> ClipPlan:
    """The plan of clips that no file before this one was shown."""
    start = folder / START
    before = list(_made_after_another(json.loads(start.read_text()))) if start.is_file() else []
    return dataclasses.replace(plan, seed=plan.seed + 10 * len(before))


def _finder(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
    finder = folder / FINDER
    if finder.is_file() and not (finder.parent / "training.pt").is_file():
        return  # the file that this folder goes on from brought it along
    sources = ClipShards(folder / "clips"), ClipShards(folder / "posed")
    Loop(FinderTask(*sources, held_out=recipe.held_out), recipe.finder, finder.parent).run()


def _vae(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
    _train_vae(VaeTask(tiny_config().vae, ClipShards(folder / "clips"), VaePlan()), recipe.vae, folder / "vae")


def _decoder(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
    task = VaeTask(tiny_config().vae, ClipShards(folder / "clips"), DECODER)
    task.model.load_state_dict(load_state(folder / VAE))
    _train_vae(task, recipe.decoder, folder / "decoder")


def _train_vae(task: VaeTask, plan: LoopPlan, folder: Path) -> None:
    def report(step: int, model: nn.Module) -> None:
        LOG.info("VAE step %d: %.2f dB", step, psnr(cast(AutoencoderKL, model), task.clips, 24))

    Loop(task, plan, folder, report).run()


def _audio(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
    audio, config = folder / "audio", tiny_config().audio
    if (audio / ENCODER).is_file():
        return
    make_corpora(config, recipe.audio, audio, slice(rank, None, processes))
    if processes > 1:
        torch.distributed.barrier()
    LOG.info("audio encoder: %s", train_audio_encoder(config, recipe.audio, audio))


def _latents(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
    vae = open_vae(folder)
    for name, latents in (("clips", "latents"), ("posed", POSED)):
        encode_clips(ClipShards(folder / name), vae, folder / latents, slice(rank, None, processes))


def _states(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
    audio = load_audio_encoder(tiny_config().audio, folder / "audio")
    encode_states(ClipShards(folder / "clips"), audio, folder / "latents", slice(rank, None, processes))


def _reader(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
    sources = LatentClips(folder / "latents"), LatentClips(folder / POSED)
    Loop(ReaderTask(*sources), recipe.reader, folder / "reader").run()


def _open_reader(folder: Path, model: Emo) -> ExpressionReader:
    reader = ExpressionReader(model.config.unet.latent_channels)
    reader.load_state_dict(load_state(folder / "reader" / "model.safetensors"))
    return reader.eval().requires_grad_(False)


def _stage(planned: Stage, before: Stage | None) -> Any:
    def run(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
        stage = GOING_ON.get(planned.name, planned) if (folder / START).is_file() else planned
        vae = open_vae(folder)
        model = Emo(tiny_config(vae.config.scaling), backend=Backend())
        if before is None:
            initialise(model, recipe.seed)
        else:
            model.load_state_dict(load_state(folder / before.name / "model.safetensors"))
        clips, held_out = LatentClips(folder / "latents").split(recipe.held_out)
        grey = zero_latents(vae)
        validator = None
        if stage in (TURNING, LISTENING):
            if rank == 0:
                encode_spoken(folder / "audio", recipe.audio, model.config.audio, clips.fps)
            if processes > 1:
                torch.distributed.barrier()
            heard = TurningTask if stage is TURNING else ListeningTask
            task: Task = heard(model, SpokenClips(folder / "audio"), stage)
        elif stage is MOVING:
            task = MovingTask(model, clips, stage, grey)
        elif stage is WARPING:
            sources = ClipShards(folder / "clips"), ClipShards(folder / "posed")
            task = WarpingTask(model, vae, *sources, stage=stage, held_out=recipe.held_out)
        else:
            task = (ExpressingTask if stage is EXPRESSING else EmoTask)(
                model,
                clips,
                stage,
                grey,
                reader=_open_reader(folder, model) if stage.expression_weight else None,
                faces=DecodedFaces(vae, grey.shape[-1]) if stage.decoded_weight else None,
                posed=LatentClips(folder / POSED) if stage.posed else None,
            )
            if stage is not EXPRESSING:  # which makes no pictures
                validator = Validator(
                    task,
                    held_out,
                    vae,
                    recipe.validation,
                    folder / stage.name / "validation",
                    sound=lambda clip: ClipShards(folder / "clips").waveform(len(clips) + clip)[0],
                    writes=rank == 0,
                )
        Loop(task, recipe.stage(stage.name, folder), folder / stage.name, validate=validator).run()

    return run


def _export(folder: Path, recipe: Recipe, rank: int, processes: int) -> None:
    if rank == 0:
        export(folder, recipe, folder / "emo-tiny.safetensors")


STEPS = {
    "clips": _clips,
    "finder": _finder,
    "vae": _vae,
    "latents": _latents,
    "reader": _reader,
    "image": _stage(IMAGE, None),
    "audio": _audio,
    "states": _states,
    "moving": _stage(MOVING, IMAGE),
    "turning": _stage(TURNING, MOVING),
    "listening": _stage(LISTENING, TURNING),
    "warping": _stage(WARPING, LISTENING),
    "expressing": _stage(EXPRESSING, WARPING),
    "hearing": _stage(TINY_HEARING, EXPRESSING),
    "video": _stage(TINY_VIDEO, HEARING),
    "speed": _stage(TINY_SPEED, VIDEO),
    "decoder": _decoder,
    "export": _export,
}


POSED = "posed_latents"
SHARE = "share.json"
START = "start.json"
"""In a folder that goes on from a finished file: where that file came from."""
BROUGHT_ALONG = ("vae", "image", "audio", "moving", "turning", "listening")
"""Steps whose results a finished file brings along; it also has a decoder, which learns on if asked alone."""
VAE, FINISHED_VAE = "vae/model.safetensors", "decoder/model.safetensors"
FINDER = "finder/model.safetensors"
COMPANION_FILES = {"vae": VAE, "audio_encoder": f"audio/{ENCODER}", "head_finder": FINDER}
MAY_LACK = ("head_finder",)
"""Companions that files from before there were any do without."""


def open_vae(folder: Path) -> AutoencoderKL:
    """The trained VAE; its config's scaling brings its latents to a standard deviation of 1."""
    vae = AutoencoderKL(tiny_config().vae, backend=Backend())
    vae.load_state_dict(load_state(_vae_file(folder)))
    vae.eval().requires_grad_(False)
    file = folder / "vae" / "scaling.json"
    if not file.is_file():
        clips = ClipShards(folder / "clips")
        picked = [clips.frames(i)[0] for i in range(0, len(clips), max(1, len(clips) // 64))]
        pictures = torch.stack([torch.tensor(p).permute(2, 0, 1) for p in picked]).float() / 127.5 - 1
        with torch.inference_mode():
            file.write_text(json.dumps(1 / float(vae.moments(pictures)[0].std())))
    vae.config = dataclasses.replace(vae.config, scaling=float(json.loads(file.read_text())))
    return vae


def _vae_file(folder: Path) -> Path:
    finished = folder / FINISHED_VAE
    return finished if finished.is_file() else folder / VAE


@torch.inference_mode()
def zero_latents(vae: AutoencoderKL) -> Tensor:
    """Scaled latents [4, h, w] of a mid-grey picture: the paper's zero maps."""
    return vae.moments(torch.zeros(1, 3, 128, 128))[0][0] * vae.config.scaling


def export(folder: Path, recipe: Recipe, out: Path) -> None:
    """Write everything as one half-precision file with its config and where it comes from."""
    stages = [stage.name for stage in STAGES if (folder / stage.name / "model.safetensors").is_file()]
    config: EmoConfig = tiny_config(open_vae(folder).config.scaling)
    model = Emo(config, backend=Backend())
    model.load_state_dict(load_state(folder / stages[-1] / "model.safetensors"))
    emphasise(model, as_matrix(recipe.emphasis))
    tensors = {name.removeprefix("encoders."): value for name, value in model.state_dict().items()}
    files = {prefix: folder / path for prefix, path in COMPANION_FILES.items()} | {"vae": _vae_file(folder)}
    for prefix, file in files.items():
        if prefix in MAY_LACK and not file.is_file():
            continue
        tensors |= {f"{prefix}.{k}": v for k, v in load_state(file).items()}
    steps = ("vae", "decoder", "finder", "audio", "reader", *stages)
    logs = {name: rows for name in steps if (rows := read_log(folder / name))}
    provenance = {
        "trained_by": "python -m emo_core train",
        "stages": {name: rows[-1]["step"] for name, rows in logs.items()},
        "hours": {name: _hours(rows) for name, rows in logs.items()},
        "recipe": dataclasses.asdict(recipe),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", "anny", "pyworld") if find_spec(name)},
        "licence": "Apache-2.0; trained on rendered CC0 heads, drawn heads of our own and synthesised voices only",
    }
    if (folder / START).is_file():
        provenance["went_on_from"] = json.loads((folder / START).read_text())
    metadata = {CONFIG_KEY: json.dumps(config.to_dict()), PROVENANCE_KEY: json.dumps(provenance)}
    save_state(out, {name: value.half() for name, value in tensors.items()}, metadata)


def _hours(rows: list[dict[str, float]]) -> float:
    """How long a loop ran, pauses between sessions left out."""
    usual = rows[0]["step"]  # of how many steps a row is in logs that do not say so yet
    return round(sum(row["seconds_per_step"] * row.get("steps", usual) for row in rows) / 3600, 6)
