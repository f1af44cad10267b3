"""The rows of the table on takes whose answers are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emo_core.claims import clip_rows
from emo_core.claims.builtin import ORDER
from emo_core.claims.clip_rows import Trial
from emo_core.claims.identity_rows import top1
from emo_core.claims.report import claims_table, fill
from emo_core.claims.row import Bar, Missing, Row
from emo_core.claims.takes import Take
from emo_core.evaluation.instrument import MEASURES, Readings
from emo_core.training.synthetic.types import TRACKS

FRAMES, FPS, RATE = 100, 25.0, 16000


def tone(loud: np.ndarray) -> np.ndarray:
    """A buzz of 120 Hz [S] whose loudness follows a curve [F]."""
    time = np.arange(round(FRAMES / FPS * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12))
    return (0.2 * buzz * np.interp(time, (np.arange(FRAMES) + 0.5) / FPS, loud)).astype(np.float32)


def perfect(seed: int = 0, singing: bool = False) -> Trial:
    """A take that shows exactly what is true; the first and last second are silent."""
    rng = np.random.default_rng(seed)
    tracks = np.zeros((FRAMES, len(TRACKS)), np.float32)
    loud = np.zeros(FRAMES)
    loud[25:75] = 1.0
    tracks[25:75, 0] = rng.uniform(0.2, 1, 50)
    tracks[:, 1:6] = rng.uniform(0, 0.3, (FRAMES, 5))
    tracks[:, 4] = 0
    tracks[[40, 41, 80], 4] = 1
    tracks[:, 8] = np.linspace(0, 25 if singing else 10, FRAMES)
    boxes = np.tile(np.array([30, 20, 90, 100], np.float32), (FRAMES, 1)) + rng.uniform(-2, 2, (FRAMES, 1))
    read = tracks[:, [TRACKS.index(name) for name in MEASURES]]
    lids = read[:, [4, 4]]
    readings = Readings(read, lids, np.zeros((FRAMES, 12, 2)), boxes, np.ones((FRAMES, 64)) / 8)
    take = Take(readings, np.ones(FRAMES - 1), np.zeros((8, 8, 8, 3), np.uint8))
    return Trial(take, tracks, boxes, tone(loud), singing, FPS)


def changed(trial: Trial, **readings: np.ndarray) -> Trial:
    """The same trial with other readings."""
    return replace(trial, take=replace(trial.take, readings=replace(trial.take.readings, **readings)))


TRIALS = [perfect(seed, singing=seed % 2 == 1) for seed in range(8)]


def test_a_perfect_mouth_holds() -> None:
    for row in (clip_rows.lip_open(TRIALS), clip_rows.lip_lag(TRIALS), clip_rows.mouth_width(TRIALS)):
        assert row.value == pytest.approx(1)
        assert row.to_dict()["holds"]


def test_a_late_mouth_is_found_out() -> None:
    late = [changed(t, tracks=np.roll(t.take.readings.tracks, 3, axis=0)) for t in TRIALS]
    row = clip_rows.lip_lag(late)
    assert row.details["lags"] == {"3": 8}
    assert row.value == 0
    assert not row.to_dict()["holds"]


def test_a_puppet_is_worse_than_a_perfect_mouth() -> None:
    row = clip_rows.against_puppet(TRIALS)
    assert 0.4 < row.value < 0.95
    assert row.to_dict()["holds"]


def test_silence_is_a_ratio_of_means() -> None:
    assert clip_rows.silence(TRIALS).value == pytest.approx(0, abs=0.01)
    open_all = [changed(t, tracks=np.full((FRAMES, len(MEASURES)), 0.5)) for t in TRIALS]
    assert clip_rows.silence(open_all).value == pytest.approx(1)


def test_blinks_are_counted_per_minute_and_with_both_eyes() -> None:
    row = clip_rows.blinks(TRIALS)
    assert row.value == pytest.approx(2 * 60 / 4)
    assert row.details["both_eyes_at_once"] == 1
    winks = [changed(t, lids=t.take.readings.lids * (1, 0.1)) for t in TRIALS]
    assert not clip_rows.blinks(winks).to_dict()["holds"]


def test_a_head_in_the_region_has_an_iou_of_one() -> None:
    row = clip_rows.region(TRIALS, [np.array([0, 0, 60, 80])] * len(TRIALS))
    assert row.value == pytest.approx(1)
    assert row.details["if_the_head_stayed"] < 0.5


def test_sung_clips_are_faster_or_do_not_hold() -> None:
    assert clip_rows.singing(TRIALS).to_dict()["holds"]
    slow = [replace(t, singing=not t.singing) for t in TRIALS]
    assert not clip_rows.singing(slow).to_dict()["holds"]
    assert isinstance(clip_rows.singing(TRIALS[:1]), Missing)


def test_everyone_is_recognised_unless_two_are_swapped() -> None:
    people = np.eye(6)
    assert top1(list(people), people, 5) == [1.0] * 6
    assert top1(list(people[[1, 0, 2, 3, 4, 5]]), people, 6) == [0, 0, 1, 1, 1, 1]


def test_what_is_not_measured_is_null_with_a_reason() -> None:
    row = Missing("a claim", "no aligner").to_dict()
    assert row["value"] is row["holds"] is None
    assert row["reason"] == "no aligner"


def test_the_table_goes_between_its_marks_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- claims -->\nstale\n<!-- /claims -->\nafter\n")
    rows = {key: Missing("m", "r").to_dict() for key in ORDER}
    rows["lip_lag"] = Row("m", 0.97, 0.9, 1.0, Bar(0.95), {"clips": 3}).to_dict()
    fill(page, "claims", claims_table(rows))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale" not in text
    assert "| `lip_lag` | m | 0.97 | 0.9 to 1 | >= 0.95 | yes |" in text
    with pytest.raises(ValueError, match="has no place for other"):
        fill(page, "other", "")
