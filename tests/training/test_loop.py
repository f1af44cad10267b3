"""The training loop on a regression of two numbers."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from emo_core.training.checkpoint import load_state, read_log
from emo_core.training.loop import Loop, LoopPlan

pytest.importorskip("accelerate")
ROOT = Path(__file__).resolve().parents[2]


class Line:
    """Learn y = 3x - 1."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(1, 1)
        self.losses: list[float] = []

    def loss(self, generator: torch.Generator) -> Tensor:
        x = torch.randn(16, 1, generator=generator)
        loss = (self.model(x) - (3 * x - 1)).square().mean()
        self.losses.append(loss.item())
        return loss


def plan(steps: int) -> LoopPlan:
    return LoopPlan(steps, 0.05, warmup=5, weight_decay=0.0, ema=0.9, save_seconds=1e9)


def test_it_learns(tmp_path: Path) -> None:
    task = Line()
    Loop(task, plan(300), tmp_path).run()
    assert task.losses[-1] < 1e-3
    averaged = torch.cat([Loop(Line(), plan(300), tmp_path).average[k].flatten() for k in ("weight", "bias")])
    torch.testing.assert_close(averaged, torch.tensor([3.0, -1.0]), atol=0.05, rtol=0)


def test_it_tells_how_far_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "emo_core"):
        Loop(Line(), dataclasses.replace(plan(90), log_every=25), tmp_path / "line").run()
    told = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0] for line in told] == [f"line: step {step} of 90" for step in (25, 50, 75, 90)]
    assert told[-1].endswith("0:00:00 left")
    assert [row["steps"] for row in read_log(tmp_path / "line")] == [25, 25, 25, 15]


def test_who_may_read_its_files_is_as_for_any_new_file(tmp_path: Path) -> None:
    Loop(Line(), plan(1), tmp_path).run()
    (tmp_path / "any").touch()
    assert {file.stat().st_mode for file in tmp_path.iterdir()} == {(tmp_path / "any").stat().st_mode}


def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()

    class Watched(Line):
        def loss(self, generator: torch.Generator) -> Tensor:
            seen.add(self.model(torch.ones(1, 1)).dtype)
            return super().loss(generator)

    mixed = dataclasses.replace(plan(300), mixed_precision=True)
    monkeypatch.setattr("emo_core.training.loop.fast_bfloat16", lambda _: True)
    task = Watched()
    Loop(task, mixed, tmp_path / "fast").run()
    assert seen == {torch.bfloat16}
    assert task.model.weight.dtype == torch.float32
    assert task.losses[-1] < 1e-2
    seen.clear()
    monkeypatch.setattr("emo_core.training.loop.fast_bfloat16", lambda _: False)  # a processor that is slow at it
    Loop(Watched(), mixed, tmp_path / "slow").run()
    assert seen == {torch.float32}


def advance(loop: Loop, steps: int) -> None:
    """Train as a run does that is killed then: it saved at step 20."""
    for _ in range(steps):
        loop._train_step()
        loop.step += 1
        if loop.step == 20:
            loop.save()


def test_a_killed_run_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    whole = Line()
    Loop(whole, plan(40), tmp_path / "whole").run()
    advance(Loop(Line(), plan(40), tmp_path / "killed"), 25)  # what is done after the save is lost
    second = Line()
    Loop(second, plan(40), tmp_path / "killed").run()
    assert second.losses == whole.losses[20:]


class Dropping(Line):
    """Every other batch leaves the bias out, as dropped conditions leave layers out."""

    def loss(self, generator: torch.Generator) -> Tensor:
        x = torch.randn(16, 1, generator=generator)
        bias = None if len(self.losses) % 2 == 0 else self.model.bias
        loss = (nn.functional.linear(x, self.model.weight, bias) - (3 * x - 1)).square().mean()
        self.losses.append(loss.item())
        return loss


def test_a_layer_that_the_first_batch_after_a_kill_leaves_out_moves_on(tmp_path: Path) -> None:
    whole = Dropping()
    Loop(whole, plan(40), tmp_path / "whole").run()
    advance(Loop(Dropping(), plan(40), tmp_path / "killed"), 20)
    second = Dropping()  # its first batch, number 20, leaves the bias out
    Loop(second, plan(40), tmp_path / "killed").run()
    assert second.losses == whole.losses[20:]


@pytest.mark.parametrize("written", range(4))
def test_a_run_that_is_killed_while_it_writes_goes_on_from_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """So many files of the second checkpoint were finished."""
    whole = Line()
    Loop(whole, plan(40), tmp_path / "whole").run()
    loop = Loop(Line(), plan(40), tmp_path / "killed")
    advance(loop, 30)
    replace, left = os.replace, written

    def killed(*paths: Path) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        replace(*paths)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        loop.save()
    monkeypatch.undo()
    second = Line()
    Loop(second, plan(40), tmp_path / "killed").run()
    assert second.losses == whole.losses[30 if written == 3 else 20 :]
    names = ("whole", "killed")
    ours, theirs = (load_state(tmp_path / name / "model.safetensors") for name in names)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert len(list((tmp_path / "killed").glob("*-*.safetensors"))) == 2


def test_the_rate_warms_up_and_cools_down() -> None:
    rates = [plan(100).rate(step) for step in range(100)]
    assert rates[0] < 0.3
    assert max(rates) == 1.0
    assert rates[-1] < 0.1


def test_averaged_weights_are_in_the_model_only_inside(tmp_path: Path) -> None:
    seen: list[Tensor] = []
    task = Line()
    watched = dataclasses.replace(plan(20), validate_every=20)
    loop = Loop(
        task, watched, tmp_path, validate=lambda step: seen.append(task.model.weight.detach().clone())
    )
    loop.run()
    own = task.model.weight.detach()
    assert torch.equal(seen[0], loop.average["weight"])
    assert not torch.equal(seen[0], own)
    assert torch.equal(load_state(tmp_path / "last-0000020.safetensors")["weight"], own)
    assert torch.equal(load_state(tmp_path / "model.safetensors")["weight"], seen[0])


def test_two_batches_of_half_weight_make_one_step(tmp_path: Path) -> None:
    task = Line()
    loop = Loop(task, dataclasses.replace(plan(1), accumulate=2), tmp_path)
    weight = task.model.weight.detach().clone()
    total = loop._train_step()
    assert len(task.losses) == 2
    assert total == pytest.approx(sum(task.losses) / 2)
    assert not torch.equal(task.model.weight, weight)


def test_the_8_bit_optimiser_learns_and_resumes(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    small = dataclasses.replace(plan(60), optimizer="adamw_8bit", average_on_cpu=True)
    task = Line()
    Loop(task, small, tmp_path).run()
    assert task.losses[-1] < task.losses[0] / 3
    assert Loop(Line(), small, tmp_path).step == 60


def test_pieces_want_several_processes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="torchrun"):
        Loop(Line(), dataclasses.replace(plan(1), sharing="fsdp"), tmp_path)


def test_two_processes_move_weights_that_lie_channels_last_as_one_does_and_leave_no_thread(tmp_path: Path) -> None:
    program = Path(__file__).with_name("convolution_run.py")
    one, two = (
        [sys.executable],
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
    )
    for name, command in (("one", one), ("two", two)):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        threads = subprocess.run(
            [*command, str(program), str(tmp_path / name)],
            env=environment,
            check=True,
            timeout=300,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        assert "python" in threads
        assert "gloo" not in threads  # one that lives on can abort its process as that exits
    alone, shared = (load_state(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    torch.testing.assert_close(shared, alone, atol=1e-5, rtol=0)
