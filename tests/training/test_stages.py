"""What each stage trains, and one training step of each on a tiny model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from training.latent_folder import latent_clips

from emo_core.backend import Backend
from emo_core.config import AudioConfig, EmoConfig, SpeedConfig, TemporalConfig, UNetConfig, VaeConfig
from emo_core.models.emo import Emo
from emo_core.models.mover import WAYS
from emo_core.models.vae import AutoencoderKL
from emo_core.training.decoded_faces import DecodedFaces
from emo_core.training.emo_task import ANY_FACE, OWN_STEPS, SHUT, EmoTask, spread_timesteps
from emo_core.training.expression_reader import ExpressionReader
from emo_core.training.initialise import initialise
from emo_core.training.latent_clips import LatentClips
from emo_core.training.stages import (
    EXPRESSING,
    HEARING,
    IMAGE,
    LISTENING,
    MOVING,
    SPEED,
    STAGES,
    TINY_HEARING,
    TINY_SPEED,
    TINY_VIDEO,
    TURNING,
    VIDEO,
    WARPING,
    Stage,
    freeze,
    kind,
)
from emo_core.training.synthetic.types import TRACKS

FRAMES, STATES = 20, 3


@pytest.fixture(scope="module")
def model() -> Emo:
    config = EmoConfig(
        unet=UNetConfig((16, 32), (True, False), layers_per_block=1, heads=2, groups=8, positions=True),
        audio=AudioConfig("mel_conv", STATES, 8, hidden=16, tokens=2, token_width=16),
        temporal=TemporalConfig((True, True), heads=2),
        speed=SpeedConfig(width=16),
    )
    emo = Emo(config, backend=Backend())
    initialise(emo, seed=0)
    return emo


@pytest.fixture
def clips(tmp_path: Path) -> LatentClips:
    rng = np.random.default_rng(0)
    shapes = {
        "latents": (2, FRAMES, 4, 8, 8),
        "portraits": (2, 4, 4, 8, 8),
        "states": (2, FRAMES, STATES, 8),
        "speed": (2, FRAMES),
        "landmarks": (2, FRAMES, 12, 2),
    }
    arrays = {name: rng.random(shape, dtype=np.float32) * 8 for name, shape in shapes.items()}
    arrays["boxes"] = np.tile(np.array([10, 10, 50, 50], np.float32), (2, FRAMES, 1))
    arrays["tracks"] = rng.random((2, FRAMES, len(TRACKS)), dtype=np.float32)
    return latent_clips(tmp_path, arrays)


def trained_kinds(stage: Stage, model: Emo) -> set[str]:
    names = freeze(stage, model)
    return {kind(n) if n.startswith("backbone") else n.split(".")[1] for n in names}


def test_the_image_stage_knows_neither_time_nor_sound(model: Emo) -> None:
    assert trained_kinds(IMAGE, model) == {"picture", "reference_net", "face_locator"}


def test_pictures_that_hear_leave_time_alone(model: Emo) -> None:
    assert not HEARING.temporal
    assert not {"temporal", "speed", "speed_encoder"} & trained_kinds(HEARING, model)


def test_the_video_stage_leaves_speed_out(model: Emo) -> None:
    kinds = trained_kinds(VIDEO, model)
    assert {"temporal", "audio", "audio_projection"} <= kinds
    assert not kinds & {"speed", "speed_encoder"}


@pytest.mark.parametrize("stage", [TINY_HEARING, TINY_VIDEO, TINY_SPEED], ids=lambda stage: stage.name)
def test_what_the_mover_is_told_stays_as_it_was_when_it_learned(stage: Stage, model: Emo) -> None:
    told = {"mover", "steering", "mover_projection", "speed_encoder"}
    assert not told & trained_kinds(stage, model)


def test_the_speed_stage_trains_time_and_speed_only(model: Emo) -> None:
    assert trained_kinds(SPEED, model) == {"temporal", "speed", "speed_encoder"}
    assert not SPEED.audio  # paper, sec. 3.4: sound stays out, or it drives the head's speed


DENOISING = [stage for stage in STAGES if stage not in (MOVING, TURNING, LISTENING, WARPING, EXPRESSING)]


def faces() -> DecodedFaces:
    return DecodedFaces(AutoencoderKL(VaeConfig(channels=(8, 8), layers_per_block=1, groups=4), backend=Backend()), 8)


@pytest.mark.parametrize("stage", [*DENOISING, TINY_HEARING, TINY_VIDEO, TINY_SPEED], ids=lambda stage: stage.name)
def test_a_step_moves_what_is_trained_and_nothing_else(stage: Stage, model: Emo, clips: LatentClips) -> None:
    reader = ExpressionReader(4) if stage.expression_weight else None
    task = EmoTask(model, clips, stage, torch.zeros(4, 8, 8), reader=reader, faces=faces(), posed=clips)
    generator = torch.Generator().manual_seed(0)
    model.zero_grad(set_to_none=True)
    for _ in range(4):  # drops leave some layers out of a single batch
        task.loss(generator).backward()
    moved = {name for name, value in model.named_parameters() if value.grad is not None}
    # keys and queries of a softmax over one token, and what only feeds zeros, may stay without gradient
    assert moved <= set(task.trained)
    assert len(moved) > 0.9 * len(task.trained)


def test_the_same_generator_gives_the_same_loss(model: Emo, clips: LatentClips) -> None:
    task = EmoTask(model, clips, TINY_VIDEO, torch.zeros(4, 8, 8), reader=ExpressionReader(4), faces=faces())
    first, second = (task.loss(torch.Generator().manual_seed(5)).item() for _ in range(2))
    assert first == second


def test_rows_that_begin_themselves_hold_what_the_sampler_makes_of_noise(model: Emo, clips: LatentClips) -> None:
    """The last call of a step trains; what it is given must be where the calls before it, as a sampler, end."""
    stage = dataclasses.replace(VIDEO, own_states=1.0)
    task = EmoTask(model, clips, stage, torch.zeros(4, 8, 8))
    calls: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    hook = model.backbone.register_forward_hook(
        lambda _, inputs, output: calls.append((inputs[0].clone(), inputs[1], output.detach()))
    )
    try:
        task.loss(torch.Generator().manual_seed(3))
    finally:
        hook.remove()
    noise, times, predictions = calls[0]
    assert times.tolist() == [999.0] * stage.rows
    trained, reached, _ = calls[-1]
    found = []
    for row, (x, guess) in enumerate(zip(noise.chunk(stage.rows), predictions.chunk(stage.rows), strict=True)):
        for steps in range(OWN_STEPS[0], OWN_STEPS[1] + 1):
            timesteps = task.schedule.timesteps(steps)
            if reached[row] == timesteps[1]:  # one step from noise
                made = task.schedule.ddim_step(x, guess, timesteps, 0)
                torch.testing.assert_close(trained.chunk(stage.rows)[row], made)
                found.append(row)
    assert found


def test_an_even_loss_is_the_error_of_the_clean_latents(model: Emo, clips: LatentClips, tmp_path: Path) -> None:
    path = tmp_path / "part-000000" / "latents.npy"
    np.save(path, np.zeros_like(np.load(path)))  # of clean latents that are 0, what is predicted is the error
    task = EmoTask(model, LatentClips(tmp_path), dataclasses.replace(VIDEO, even=True, rows=3), torch.zeros(4, 8, 8))
    calls: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    hook = model.backbone.register_forward_hook(
        lambda _, inputs, output: calls.append((inputs[0], inputs[1], output.detach()))
    )
    try:
        loss = task.loss(torch.Generator().manual_seed(3)).item()
    finally:
        hook.remove()
    ((noisy, timesteps, prediction),) = calls
    rows = zip(noisy.chunk(3), prediction.chunk(3), timesteps.tolist(), strict=True)
    clean = torch.cat([task.schedule.split(*row[:2], int(row[2]))[0] for row in rows])
    assert loss == pytest.approx(clean.square().mean().item(), rel=1e-4)


@pytest.mark.parametrize("stage", [TINY_HEARING, TINY_VIDEO], ids=lambda stage: stage.name)
def test_without_a_judge_a_stage_that_wants_one_says_what_to_do(stage: Stage, model: Emo, clips: LatentClips) -> None:
    with pytest.raises(ValueError, match=r"expression_weight 0\.25.*set it to 0 for footage"):
        EmoTask(model, clips, stage, torch.zeros(4, 8, 8), faces=faces())
    if stage.posed:
        with pytest.raises(ValueError, match=r"4 rows of posed faces.*set posed to 0"):
            EmoTask(model, clips, stage, torch.zeros(4, 8, 8), reader=ExpressionReader(4), faces=faces())
    with pytest.raises(ValueError, match=r"decoded_weight 1\.5.*set it to 0 for footage"):
        EmoTask(model, clips, stage, torch.zeros(4, 8, 8), reader=ExpressionReader(4))


@pytest.mark.parametrize("stage", [TINY_HEARING, TINY_VIDEO], ids=lambda stage: stage.name)
def test_closed_eyes_are_shown_more_often(stage: Stage, model: Emo, clips: LatentClips, tmp_path: Path) -> None:
    tracks = np.zeros((2, FRAMES, len(TRACKS)), np.float32)
    tracks[:, -1, TRACKS.index("blink")] = 1
    np.save(tmp_path / "part-000000" / "tracks.npy", tracks)
    rng = np.random.default_rng(0)

    def share(shut: float) -> float:
        asked = dataclasses.replace(stage, shut=shut)
        clips, reader = LatentClips(tmp_path), ExpressionReader(4)
        task = EmoTask(model, clips, asked, torch.zeros(4, 8, 8), reader=reader, faces=faces(), posed=clips)
        return float(np.mean([(task._frames(0, rng) == FRAMES - 1).any() for _ in range(3000)]))

    if stage.temporal:  # 20 frames, 4 of them before a clip of 12: one of five begins has the last frame in its clip
        assert share(0) == pytest.approx(1 / 5, abs=0.03)
        assert share(3) == pytest.approx(4 / 8, abs=0.03)
    else:
        assert share(0) == pytest.approx(1 - (19 / 20) ** stage.frames, abs=0.03)
        assert share(3) == pytest.approx(1 - (19 / 23) ** stage.frames, abs=0.03)


def test_posed_rows_tell_the_truth_of_a_face_on_a_still_head(model: Emo, clips: LatentClips) -> None:
    """Their portrait is a picture of the person that is not drawn itself; told rows of clips tell the truth as well."""
    stage = dataclasses.replace(TINY_HEARING, rows=3, posed=1, told=1.0, drop_audio=0.0, drop_reference=0.0)
    task = EmoTask(model, clips, stage, torch.zeros(4, 8, 8), reader=ExpressionReader(4), faces=faces(), posed=clips)
    row = task._posed_row(np.random.default_rng(0))
    people = [clips.get(clip, "latents", slice(None)) for clip in range(2)]
    portrait, drawn = row["reference"][0], row["latents"]
    assert any(any(picture.equal(portrait) for picture in person) for person in people)
    assert not any(frame.equal(portrait) for frame in drawn)
    assert not row["speed"].any()
    for made in (row, task._row(np.random.default_rng(1), np.random.default_rng(1))):
        tokens = task._heard(made)
        assert tokens is not None
        assert torch.allclose(task.telling.told(tokens), task.telling.wanted(made["tells"]), atol=1e-4)


def test_a_third_of_posed_portraits_are_any_face_with_open_eyes(model: Emo, clips: LatentClips) -> None:
    stage = dataclasses.replace(TINY_HEARING, decoded_weight=0, expression_weight=0)
    task = EmoTask(model, clips, stage, torch.zeros(4, 8, 8), posed=clips)
    rng = np.random.default_rng(0)
    shown = np.array([task._posed_portrait(0, rng) for _ in range(3000)])
    lids = clips.get(0, "tracks", slice(None))[:, TRACKS.index("blink")].numpy()
    open_ = np.flatnonzero(lids < SHUT)
    assert set(shown) == {0, *open_}
    assert (shown > 0).mean() == pytest.approx(ANY_FACE * (open_ > 0).mean(), abs=0.03)


def test_timesteps_are_uniform_over_batches_and_far_from_each_other_within_one() -> None:
    batches = [
        [step for rank in range(2) for step in spread_timesteps(batch * 64 + rank, 2, 0.15)] for batch in range(2000)
    ]
    steps = np.array(batches)
    assert (steps == 999).mean() == pytest.approx(0.15, abs=0.01)
    counts, _ = np.histogram(steps[steps < 999], 10, (0, 999))
    assert counts.min() > 0.93 * counts.mean()
    independent = np.random.default_rng(0).permuted(steps.ravel()).reshape(-1, 4)
    assert steps.mean(1).std() < 0.75 * independent.mean(1).std()
    assert spread_timesteps(5, 3, 0.15) == spread_timesteps(5, 3, 0.15) != spread_timesteps(6, 3, 0.15)


def test_portraits_in_place_are_moved_by_the_true_pose(model: Emo, clips: LatentClips) -> None:
    def rows(elsewhere: float) -> list[dict[str, torch.Tensor]]:
        stage = dataclasses.replace(TINY_HEARING, posed=0, elsewhere=elsewhere, decoded_weight=0, expression_weight=0)
        task = EmoTask(model, clips, stage, torch.zeros(4, 8, 8))
        return [task._row(np.random.default_rng(seed), np.random.default_rng(seed)) for seed in range(8)]

    assert all(row["turns"].shape == (TINY_HEARING.frames, WAYS) and row["turns"].any() for row in rows(0.0))
    assert not any("turns" in row for row in rows(1.0))
