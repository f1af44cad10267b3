"""Memory and time on paper: counted on the meta device, so quantities that can be worked out by hand come out."""

import dataclasses

from support import SMALL

from emo_core.backend import Backend
from emo_core.models.emo import Emo
from emo_core.training.estimate import MACHINES, Counted, count, memory, seconds
from emo_core.training.plan_file import PAPER_STAGES
from emo_core.training.stages import SPEED, VIDEO


def test_recomputing_keeps_less_and_computes_more() -> None:
    stage = dataclasses.replace(VIDEO, frames=4)
    plain, recomputed = (count(SMALL, stage, 64, recompute=flag) for flag in (False, True))
    assert recomputed.kept + recomputed.largest < 0.7 * plain.kept
    assert plain.flops < recomputed.flops < 1.5 * plain.flops
    assert plain.parameters == sum(p.numel() for p in Emo(SMALL, backend=Backend()).parameters())
    assert plain.trained < plain.parameters


def test_twice_the_clips_are_twice_the_work() -> None:
    one, two = (
        count(SMALL, dataclasses.replace(SPEED, frames=4, rows=n), 64, recompute=False) for n in (1, 2)
    )
    assert 1.9 < two.flops / one.flops < 2.0 + 1e-3
    assert 1.8 < two.kept / one.kept < 2.05  # the layout of one clip needs a copy less here and there


def test_memory_and_time_of_round_numbers() -> None:
    counted = Counted(parameters=2**30, trained=2**28, flops=int(312e12 * 0.35), kept=2**30, largest=2**29)
    step = PAPER_STAGES["speed"]
    (small, large) = MACHINES
    # 4 GiB weights, a quarter of (4 + 8 + 4) GiB, 2 GiB casts, 1.5 GiB activations
    assert memory(counted, step, small) == 1.1 * (4 + 4 + 2 + 1.5)
    split = dataclasses.replace(step, loop=dataclasses.replace(step.loop, sharing="fsdp"))
    assert memory(counted, split, large) == 1.1 * ((4 + 4 + 2) / 8 + 1.5)
    assert seconds(counted, step, large) == 1
