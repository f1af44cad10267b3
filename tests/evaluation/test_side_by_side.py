"""The side-by-side page in a real browser: videos play in sync, seek together, are rated without their names."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from emo_core.__main__ import main
from emo_core.evaluation.side_by_side import write_page
from emo_core.media.video import Sound, VideoWriter

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]
TIMES = "[...document.querySelectorAll('video')].map(v => v.currentTime)"


def write_video(path: Path, shade: float) -> None:
    sound = Sound(torch.zeros(1, 48000), 16000)
    with VideoWriter(path, 25.0, sound) as writer:
        writer.write(torch.full((75, 32, 32, 3), shade))


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    for run in ("ours", "theirs"):
        for clip in ("a", "b"):
            write_video(tmp_path / run / f"{clip}.mp4", 0.5)
    write_video(tmp_path / "ours" / "alone.mp4", 0.5)
    return {name: tmp_path / name for name in ("ours", "theirs")}


@pytest.fixture
def browser_page() -> Iterator:
    """A page of the machine's own Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def test_the_page_holds_the_clips_that_every_run_has(runs: dict[str, Path], tmp_path: Path) -> None:
    arguments = ["evaluate", "side-by-side", "--out", str(tmp_path)]
    assert main([*arguments, *(f"--generated={name}={folder}" for name, folder in runs.items())]) == 0
    text = (tmp_path / "side_by_side.html").read_text()
    assert text.count("data:video/mp4;base64,") == 4
    assert '"alone"' not in text
    assert "http" not in text  # self-contained


def test_a_blind_page_shuffles_but_keeps_the_names(runs: dict[str, Path], tmp_path: Path) -> None:
    text = write_page(tmp_path / "page.html", runs, seed=1).read_text()
    data = json.loads(text.split('type="application/json">')[1].split("</script>")[0])
    for clip in data["clips"]:
        assert [video["title"] for video in clip["videos"]] == ["A", "B"]
        assert {video["run"] for video in clip["videos"]} == {"ours", "theirs"}
    assert data["questions"] == ["lip sync", "vividness"]


def test_folders_that_share_no_clip_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="share no"):
        write_page(tmp_path / "page.html", {**runs, "empty": tmp_path / "empty"})


@pytest.mark.slow
def test_videos_play_and_seek_together(runs: dict[str, Path], tmp_path: Path, browser_page) -> None:
    page = browser_page
    page.goto(write_page(tmp_path / "page.html", runs).as_uri())
    page.wait_for_function("[...document.querySelectorAll('video')].every(v => v.readyState >= 4)")
    page.click("#play")
    page.wait_for_function(f"Math.min(...{TIMES}) > 0.3")
    page.click("#play")  # pause brings all to the first one's place
    assert page.inner_text("#play") == "Play"
    first, second = page.evaluate(TIMES)
    assert first > 0.3
    assert first == pytest.approx(second, abs=0.04)
    page.evaluate("at('seek').value = 0.5; at('seek').oninput()")
    page.wait_for_function(f"{TIMES}.every(t => Math.abs(t - 1.5) < 0.05)")
    assert page.evaluate("videos.map(v => v.muted)") == [False, True]
    page.click("video >> nth=1")
    assert page.evaluate("videos.map(v => v.muted)") == [True, False]
    page.click("#next")
    assert page.evaluate("at('clip').selectedOptions[0].text") == "b"


@pytest.mark.slow
def test_ratings_are_saved_under_the_true_names(runs: dict[str, Path], tmp_path: Path, browser_page) -> None:
    page = browser_page
    page.goto(write_page(tmp_path / "page.html", runs, seed=3).as_uri())
    page.check("input[name='ours/vividness'][value='4']")
    page.check("input[name='theirs/lip sync'][value='2']")
    with page.expect_download() as download:
        page.click("#save")
    saved = json.loads(Path(download.value.path()).read_text())
    assert saved == {"a": {"ours": {"vividness": 4}, "theirs": {"lip sync": 2}}}
