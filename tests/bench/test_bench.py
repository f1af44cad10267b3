"""The benchmark measures what it says: the same step, counted and timed."""

import json
from pathlib import Path

import pytest
import torch
from support import SMALL

from emo_core.__main__ import main
from emo_core.bench.measure import measure
from emo_core.bench.passes import Case, Clip
from emo_core.checkpoints.registry import FAMILIES


def case(name: str = "emo", frames: int = 3) -> Case:
    """A small network of a family."""
    from checkpoints.tiny import small_config

    config = SMALL if name == "emo" else small_config(next(f for f in FAMILIES if f.name == name))
    return Case(name, config, 64, frames, torch.float32)


@pytest.mark.parametrize("name", ["emo", "hallo", "echomimic", "v_express"])
def test_the_plain_path_computes_the_same_with_more_operations(name: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    clip = Clip(case(name))
    rows = clip.rows()
    plain = clip.plain_rows(rows)
    counts = []
    for way in (rows, plain):
        with FlopCounterMode(display=False) as counter:
            clip.step(way)
        counts.append(counter.get_total_flops())
    assert counts[0] < counts[1]
    full = [clip.model.backbone(clip.latents, torch.tensor([500]), way[1:]) for way in (rows, plain)]
    torch.testing.assert_close(full[0], full[1], atol=1e-5, rtol=1e-4)


def test_figures_of_a_step_are_whole() -> None:
    made = measure(case(), 2, compare=True)
    assert made.wall_seconds > 0
    assert made.cpu_seconds > 0
    assert made.gflops == pytest.approx(made.tflop * 1000 / made.wall_seconds)
    assert made.plain_spread is not None
    assert made.plain_spread[0] <= made.plain_ratio <= made.plain_spread[1]
    assert set(made.peaks) == {"matrix product", "convolution"}


def test_the_attention_kernel_of_processors_is_counted() -> None:
    query = torch.randn(1, 2, 64, 16)
    from torch.utils.flop_counter import FlopCounterMode

    from emo_core.bench.measure import _uncounted

    with FlopCounterMode(display=False, custom_mapping=_uncounted()) as counter:
        torch.nn.functional.scaled_dot_product_attention(query, query, query)
    assert counter.get_total_flops() == 2 * 2 * 2 * 64 * 64 * 16


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    picture = tmp_path / "bench.png"
    small = ["bench", "--frames", "2", "--size", "64", "--repeats", "1"]
    assert main([*small, "--json", str(file), "--plot", str(picture)]) == 0
    assert picture.stat().st_size > 1000
    assert "| emo-tiny | 64 | 2 | float32 |" in capsys.readouterr().out
    assert json.loads(file.read_text())[0]["frames"] == 2
    assert main(["bench", "--family", "nothing"]) == 2
    assert main(["bench", "--frames", "99"]) == 2
