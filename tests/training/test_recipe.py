"""The way to emo-tiny, a few steps of everything: clips are rendered, all stages train, the file animates."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from emo_core.__main__ import main
from emo_core.animate import BUILT_IN, Animator, Wish
from emo_core.backend import Backend
from emo_core.checkpoints.emo import CONFIG_KEY, PROVENANCE_KEY
from emo_core.checkpoints.files import read_metadata
from emo_core.media.video import Sound
from emo_core.models.emo import Emo
from emo_core.training.audio_encoder import AudioPlan
from emo_core.training.emphasis import as_matrix, emphasise
from emo_core.training.loop import LoopPlan
from emo_core.training.plan_file import Validation
from emo_core.training.recipe import Recipe, export, keep_share, start_from, train
from emo_core.training.stages import EXPRESSING, LISTENING, MOVING, STAGES, TURNING, WARPING
from emo_core.training.synthetic.clip_plan import ClipPlan
from emo_core.training.synthetic.clip_shards import ClipShards
from emo_core.training.synthetic.espeak import EspeakError, Synthesiser
from emo_core.training.tiny import tiny_config

try:
    Synthesiser()
except EspeakError as error:
    pytest.skip(str(error), allow_module_level=True)
pytest.importorskip("anny")
pytest.importorskip("pyworld", exc_type=ImportError)

BRIEF = LoopPlan(2, 1e-3, warmup=1, ema=0.5)  # shorter than its log's interval
RECIPE = Recipe(
    clips=4,
    clip_plan=ClipPlan(seed=2, frames=16, shard_clips=4),
    posed=4,
    posed_plan=ClipPlan(seed=3, frames=7, shard_clips=4, portraits=1, posed=True),
    vae=BRIEF,
    decoder=BRIEF,
    finder=BRIEF,
    audio=AudioPlan(seeds=(1,), clips=2, held_out=1, training=BRIEF, batch=2),
    reader=BRIEF,
    stages={stage.name: BRIEF for stage in STAGES},
    further={name: LoopPlan(3, 1e-3, warmup=1, ema=0.5, log_every=1) for name in ("expressing", "hearing")},
    validation=Validation(every=2, clips=1, steps=1),
    held_out=1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("emo_tiny")
    train(folder, RECIPE)
    return folder


def animated(file: Path) -> torch.Tensor:
    sound = Sound(torch.rand(1, 16000 // 2) - 0.5, 16000)
    animator = Animator.open(file)
    return torch.cat(list(animator.animate(torch.rand(128, 128, 3), sound, Wish(steps=1))))


def provenance(file: Path) -> dict[str, Any]:
    return json.loads(read_metadata(file)[PROVENANCE_KEY])


def test_the_file_animates_and_says_how_it_was_made(folder: Path) -> None:
    file = folder / "emo-tiny.safetensors"
    frames = animated(file)
    assert frames.shape[1:] == (128, 128, 3)
    assert frames.isfinite().all()
    made = provenance(file)
    steps = ("vae", "decoder", "finder", "audio", "reader", *(stage.name for stage in STAGES))
    assert made["stages"] == dict.fromkeys(steps, 2)
    assert made["hours"].keys() == made["stages"].keys()
    logged = [json.loads(line) for line in (folder / "video" / "log.jsonl").read_text().splitlines()]
    seconds = sum(row["seconds_per_step"] * row["steps"] for row in logged)
    assert made["hours"]["video"] == pytest.approx(seconds / 3600, abs=1e-6)
    assert made["packages"].keys() == {"numpy", "anny", "pyworld"}


def test_the_file_has_the_finished_decoder_and_the_encoder_that_its_latents_are_of(folder: Path) -> None:
    file, first = load_file(folder / "emo-tiny.safetensors"), load_file(folder / "vae" / "model.safetensors")
    changed = {name for name, value in first.items() if not value.half().equal(file[f"vae.{name}"])}
    assert changed
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in changed)


def test_a_folder_may_be_named_from_where_one_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    export(Path(folder.name), RECIPE, tmp_path / "again.safetensors")
    first, again = load_file(folder / "emo-tiny.safetensors"), load_file(tmp_path / "again.safetensors")
    assert all(value.equal(again[name]) for name, value in first.items())


def test_every_stage_leaves_a_log_and_samples_of_clips_it_did_not_train_on(folder: Path) -> None:
    for stage in STAGES:
        assert len(list((folder / stage.name).glob("events.out.tfevents.*"))) == 1
        if stage in (MOVING, TURNING, LISTENING, WARPING, EXPRESSING):  # they make no pictures
            continue
        samples = folder / stage.name / "validation" / "step-000002"
        with Image.open(samples / "00.png") as sheet:  # made above true
            assert sheet.height == 2 * 128
            assert sheet.width % 128 == 0
        assert (samples / "00.mp4").is_file() == stage.temporal


def test_a_finished_file_goes_on_with_the_stages_that_draw(folder: Path, tmp_path: Path) -> None:
    start_from(folder / "emo-tiny.safetensors", tmp_path)
    train(tmp_path, RECIPE)
    made = provenance(tmp_path / "emo-tiny.safetensors")
    assert made["stages"] == {"reader": 2, "warping": 2, "expressing": 3, "hearing": 3, "video": 2, "speed": 2}
    assert made["went_on_from"] == provenance(folder / "emo-tiny.safetensors")
    before, after = (load_file(where / "emo-tiny.safetensors") for where in (folder, tmp_path))
    held = ("reference_net.", "face_locator.", "vae.", "audio_encoder.", "backbone.mover.")
    assert all(value.equal(after[name]) for name, value in before.items() if name.startswith(held))
    assert animated(tmp_path / "emo-tiny.safetensors").isfinite().all()
    for shown in ("clips", "posed"):
        people = [{clip.identity for clip in ClipShards(where / shown).info} for where in (folder, tmp_path)]
        assert people[0].isdisjoint(people[1])
    start_from(tmp_path / "emo-tiny.safetensors", tmp_path / "again")
    assert provenance(tmp_path / "emo-tiny.safetensors") == json.loads((tmp_path / "again" / "start.json").read_text())


def test_a_share_of_everything() -> None:
    whole, fifth = Recipe(), Recipe().shortened(0.2)
    assert (fifth.clips, fifth.posed, fifth.audio.clips) == (410, 1638, 500)
    for before, after in zip(loops(whole), loops(fifth), strict=True):
        assert after.steps == round(before.steps / 5)
        assert dataclasses.replace(after, steps=before.steps, warmup=before.warmup) == before
    assert whole.shortened(1) == whole
    least = whole.shortened(1e-6)
    assert least.clips == whole.held_out + 1  # one to train on
    assert {plan.steps for plan in loops(least)} == {1}


def loops(recipe: Recipe) -> list[LoopPlan]:
    stages = (*recipe.stages.values(), *recipe.further.values())
    return [recipe.vae, recipe.decoder, recipe.finder, recipe.audio.training, recipe.reader, *stages]


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_that_is_none(share: float) -> None:
    with pytest.raises(ValueError, match=f"the share is {share:g}, want more than 0 and at most 1"):
        Recipe().shortened(share)


def test_a_folder_keeps_its_share(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_share(tmp_path, 0.2)
    keep_share(tmp_path, 0.2)
    assert main(["train", "--folder", str(tmp_path)]) == 2
    assert f"{tmp_path} was begun with --share 0.2 and is asked for 1: give 0.2 again" in capsys.readouterr().err
    assert not (tmp_path / "clips").exists()
    with pytest.raises(ValueError, match=r"was begun with --share 1 and is asked for 0\.2"):
        keep_share(folder, 0.2)


def test_one_step_alone(folder: Path, tmp_path: Path) -> None:
    """A finished file whose decoder alone learns on, as the shipped ones' did."""
    start_from(folder / "emo-tiny.safetensors", tmp_path)
    (tmp_path / "clips").symlink_to(folder / "clips")
    for step in ("decoder", "export"):
        train(tmp_path, RECIPE, only=step)
    assert provenance(tmp_path / "emo-tiny.safetensors")["stages"] == {"decoder": 2}
    before, after = (load_file(file / "emo-tiny.safetensors") for file in (folder, tmp_path))
    changed = {name for name, value in before.items() if not value.equal(after[name])}
    assert changed
    assert all(name.startswith(("vae.decoder.", "vae.post_quant_conv.")) for name in changed)
    with pytest.raises(ValueError, match="step 'listening' came with the file"):
        train(tmp_path, RECIPE, only="listening")


def test_the_shipped_file_is_laid_out_as_it_is(tmp_path: Path) -> None:
    start_from(BUILT_IN, tmp_path)
    given = load_file(BUILT_IN)
    model = Emo(tiny_config(), backend=Backend())
    model.load_state_dict(load_file(tmp_path / "listening" / "model.safetensors"))
    emphasise(model, as_matrix(provenance(BUILT_IN)["recipe"].get("emphasis", {})))
    for name, value in model.state_dict().items():
        assert value.half().equal(given[name.removeprefix("encoders.")]), name
    for name, value in load_file(tmp_path / "audio" / "audio_encoder.safetensors").items():
        assert value.equal(given[f"audio_encoder.{name}"].float()), name


def test_a_file_from_before_there_was_a_warp_gets_one(folder: Path, tmp_path: Path) -> None:
    """It mixes cells at first, as what moved them did before, and learns by the same command."""
    file = folder / "emo-tiny.safetensors"
    metadata = read_metadata(file)
    config = json.loads(metadata[CONFIG_KEY])
    del config["reference"]["warp"]
    tensors = {name: value for name, value in load_file(file).items() if not name.startswith("backbone.warp.")}
    save_file(tensors, tmp_path / "old.safetensors", metadata | {CONFIG_KEY: json.dumps(config)})
    start_from(tmp_path / "old.safetensors", tmp_path / "on")
    begun = load_file(tmp_path / "on" / "listening" / "model.safetensors")
    assert not begun["backbone.warp.conv_out.weight"].any()
    assert begun["backbone.warp.unfold.weight"].any()
    train(tmp_path / "on", RECIPE, until="warping")
    learned = load_file(tmp_path / "on" / "warping" / "model.safetensors")
    assert {name for name, value in begun.items() if not value.equal(learned[name])} == {
        name for name in begun if name.startswith("backbone.warp.")
    }


def test_a_file_of_another_layout_is_refused_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    file = folder / "emo-tiny.safetensors"
    metadata = read_metadata(file)
    config = json.loads(metadata[CONFIG_KEY])
    config["unet"]["position_periods"] = None
    save_file(load_file(file), tmp_path / "old.safetensors", metadata | {CONFIG_KEY: json.dumps(config)})
    with pytest.raises(ValueError, match=r"old\.safetensors is an emo-tiny of another layout"):
        start_from(tmp_path / "old.safetensors", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_file_whose_mover_never_heard_of_poses_is_refused(folder: Path, tmp_path: Path) -> None:
    file = folder / "emo-tiny.safetensors"
    metadata = read_metadata(file)
    made = json.loads(metadata[PROVENANCE_KEY])
    del made["stages"]["turning"]
    save_file(load_file(file), tmp_path / "old.safetensors", metadata | {PROVENANCE_KEY: json.dumps(made)})
    with pytest.raises(ValueError, match=r"old\.safetensors is from before a mover was told true poses"):
        start_from(tmp_path / "old.safetensors", tmp_path / "again")
