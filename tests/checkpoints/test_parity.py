"""Our networks answer like the authors' own code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from emo_core.__main__ import main
from emo_core.checkpoints.parity.check import EXACT, Check, compare
from emo_core.checkpoints.parity.run import check_folder

from .published import golden

EXPECTED = {
    "hallo": {"expected": ""},
    "echomimic": {"forward": "out.", "sampling": "out."},
    "echomimic_audio": {"audio": "out."},
    "vexpress": {"forward": "out.", "sampling": "out."},
}


def expected_names(folder: Path) -> set[str]:
    """Every tensor that a case expects."""
    names = set()
    for file, prefix in EXPECTED[folder.name].items():
        with safe_open(folder / f"{file}.safetensors", framework="pt") as opened:
            names |= {key for key in opened.keys() if key.startswith(prefix)}  # noqa: SIM118
    return {name for name in names if not name.endswith("_index")}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_every_expected_tensor_is_ours_within_its_limit(name: str) -> None:
    folder = golden(name)
    torch.set_num_threads(1)
    checks = list(check_folder(folder))
    assert not [check for check in checks if not check.holds]
    assert expected_names(folder) <= {check.name.split(" ")[-1] for check in checks}


def test_the_command_tells_every_tensor_and_fails_if_one_is_off(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source = golden("echomimic_audio")
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert main(["parity", str(tmp_path)]) == 0
    assert "4 of 4 tensors" in capsys.readouterr().out
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"fps": 24', '"fps": 25'))
    assert main(["parity", str(tmp_path)]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_a_folder_that_is_no_case_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["parity", str(tmp_path)]) == 2
    assert "no checkpoint of a known family" in capsys.readouterr().err


def test_not_a_number_never_holds() -> None:
    assert not compare("x", torch.tensor([float("nan")]), torch.ones(1), 1e-5).holds
    assert not compare("x", torch.tensor([float("nan")]), torch.ones(1), EXACT).holds
    assert Check("x", 0.0, EXACT).holds
