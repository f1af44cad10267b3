"""Installing the pack into a ComfyUI changes nothing there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.host


def names(lines: list[str]) -> set[str]:
    """The package names in lines of requirements, spelled alike."""
    found = (re.match(r"[A-Za-z0-9._-]+", line.strip()) for line in lines)
    return {match.group().lower().replace("_", "-") for match in found if match}


def test_every_requirement_is_one_that_comfyui_brings(comfyui: Path) -> None:
    brought = names((comfyui / "requirements.txt").read_text().splitlines())
    ours = names((ROOT / "requirements.txt").read_text().splitlines())
    assert ours <= brought, f"{ours - brought} would be new in a ComfyUI"


def test_no_requirement_has_an_upper_bound_or_is_torch() -> None:
    text = "\n".join(line.split("#")[0] for line in (ROOT / "requirements.txt").read_text().splitlines())
    assert not re.search(r"[<~]|==|torch", text)


def test_pip_would_install_nothing_in_the_hosts_environment(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--report", str(report)]
    subprocess.run([*pip, "-r", str(ROOT / "requirements.txt")], check=True, timeout=120)
    assert json.loads(report.read_text())["install"] == []
