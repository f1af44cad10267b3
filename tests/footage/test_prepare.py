"""The command, with Ray on this machine: once, again, after an interruption, with another video."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import pytest
from footage.films import QUICK, faceless, roll_film, voice, write_film

from emo_core.__main__ import main
from emo_core.optional import MissingPackageError, need
from emo_core.training.footage.parts import open_detector
from emo_core.training.footage.shards import read_clips, shard_urls

ROOT = Path(__file__).resolve().parents[2]
WISHES = [
    word for name, value in QUICK.to_dict().items() for word in (f"--{name.replace('_', '-')}", str(value))
]


def emo(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m emo_core` with these words."""
    command = [sys.executable, "-m", "emo_core", *words]
    environment = {**os.environ, "RAY_worker_niceness": "0"}  # its own 15 starves on a busy machine
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_film(folder / "good.mp4", chain(roll_film(20, 0.8), faceless(18)), sound=voice(38 / 15))
    (folder / "broken.mp4").write_bytes((folder / "good.mp4").read_bytes()[:5000])
    return folder


@pytest.fixture(scope="module")
def prepared(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "out"
    done = emo("prepare", str(videos), str(out), "--workers", "1", *WISHES)
    assert done.returncode == 0, done.stderr
    assert "1 clips" in done.stdout
    return out


def test_clips_are_in_shards_and_every_stretch_is_in_the_manifest(prepared: Path) -> None:
    (clip,) = read_clips(shard_urls(str(prepared)))
    assert clip.meta["source"] == "good.mp4"
    lines = [json.loads(line) for line in (prepared / "manifest.jsonl").read_text().splitlines()]
    reasons = {(line["source"], line.get("reason")) for line in lines}
    assert reasons == {("broken.mp4", "unreadable"), ("good.mp4", None), ("good.mp4", "no face")}
    (accepted,) = [line for line in lines if line["accepted"]]
    assert (accepted["key"], accepted["shard"]) == (clip.key, "part-00000-000.tar")


def test_the_same_command_again_changes_nothing(videos: Path, prepared: Path) -> None:
    before = contents(prepared)
    assert (
        main(["prepare", str(videos), str(prepared), "--workers", "1", *WISHES]) == 0
    )  # nothing is left to do
    assert contents(prepared) == before


def test_other_settings_are_refused(videos: Path, prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", str(videos), str(prepared), *WISHES, "--size", "128"]) == 2
    assert "size 64, now 128" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupted_run_is_completed_to_the_same_files(videos: Path, prepared: Path) -> None:
    before = contents(prepared)
    (prepared / "parts" / "part-00000.json").unlink()  # killed before the part was finished
    (prepared / "shards" / "part-00000-000.tar").write_bytes(b"half")
    done = emo("prepare", str(videos), str(prepared), "--workers", "1", *WISHES)
    assert done.returncode == 0, done.stderr
    assert contents(prepared) == before


@pytest.mark.slow
def test_a_run_that_was_killed_is_completed_to_the_same_files(
    videos: Path, prepared: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "emo_core", "prepare", str(videos), str(out), "--workers", "1", *WISHES]
    for seconds in (0.0, 4.0, 8.0):  # the plan is written, Ray starts, a worker is busy or has just finished
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as run:
            deadline = time.monotonic() + 120
            while not (out / "plan.json").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(seconds)
            os.killpg(run.pid, signal.SIGKILL)
    done = emo("prepare", str(videos), str(out), "--workers", "1", *WISHES)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(prepared)


@pytest.mark.parametrize("package", ["ray", "webdataset", "scenedetect", "ai_edge_litert.interpreter"])
def test_a_missing_package_is_one_sentence(
    videos: Path,
    tmp_path: Path,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # importing it now fails
    assert main(["prepare", str(videos), str(tmp_path / "out"), *WISHES]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert package in line
    assert "pip install" in line


def test_a_package_that_is_there_is_imported() -> None:
    assert need("json", "json") is json
    with pytest.raises(MissingPackageError, match="pip install nothing"):
        need("no_such_package", "nothing")


def test_another_detector_can_be_named() -> None:
    found = open_detector("footage.other_detector:Nobody")
    assert found.find(next(iter(faceless(1)))) == []
    with pytest.raises(ValueError, match="want module:class"):
        open_detector("footage.other_detector:NoSuch")
