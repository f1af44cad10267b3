"""All rows of the built-in model's table, in the order of its publication."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..training.synthetic.clip_plan import ClipPlan, ClipsError
from ..training.synthetic.clip_shards import ClipShards
from ..training.synthetic.clips import make_clips
from . import clip_rows
from .clip_rows import Trial, trial
from .cost_rows import seconds_for_4s, size_mb, vae_psnr
from .identity_rows import identity_drift, identity_top1
from .row import Missing, Row
from .speed_row import speed_spearman
from .takes import Studio, Take
from .voice_row import real_voice

LOG = logging.getLogger(__name__)
FRAMES = 100
"""Length of a held-out clip: 4 s."""
SEED = 5


@dataclass(frozen=True)
class Effort:
    """How many videos are made for the table."""

    clips: int = 200
    moved: int = 40
    """Clips that are made again from a portrait whose head is elsewhere."""
    long_videos: int = 4
    """Videos of a minute."""
    speed_clips: int = 12
    """People who are asked for every speed."""
    voice_people: int = 2
    """Portraits that speak each real recording."""
    timed: int = 5


QUICK = Effort(clips=8, moved=4, long_videos=0, speed_clips=2, voice_people=0, timed=1)
"""Minutes instead of an hour: for looking in while training runs."""


def held_out_clips(data: Path, split: str, count: int) -> ClipShards:
    """The first clips of a split below `data`, made if there are fewer than `count`."""
    return _held_out(data / split, count, ClipPlan(seed=SEED, split=split, frames=FRAMES))


def held_out_faces(data: Path, split: str, count: int) -> ClipShards:
    """People of a split in nine pictures each, faces posed at random, likewise."""
    plan = ClipPlan(seed=SEED, split=split, frames=9, portraits=1, posed=True)
    return _held_out(data / f"{split}-posed", count, plan)


def _held_out(folder: Path, count: int, plan: ClipPlan) -> ClipShards:
    try:
        clips = ClipShards(folder)
        if len(clips) >= count:
            return clips
    except ClipsError as error:
        LOG.info("%s", error)
    make_clips(folder, count, plan)
    return ClipShards(folder)


def measure_builtin(studio: Studio, effort: Effort) -> dict[str, Row | Missing]:
    """Make the videos and measure them."""
    clips, count = studio.clips, effort.clips
    takes = [studio.clip_take(clip) for clip in range(count)]
    trials = [trial(clips, clip, take) for clip, take in enumerate(takes)]
    moved = [trial(clips, c, studio.clip_take(c, elsewhere=True)) for c in range(min(effort.moved, count))]
    boxes = [clips.portrait_boxes(clip)[0] for clip in range(len(moved))]
    rows: dict[str, Row | Missing] = read_trials(trials)
    rows["region_iou"] = clip_rows.region(moved, boxes)
    rows["seam_ratio"] = clip_rows.seams(trials, studio.animator.config.temporal.clip_frames)
    rows |= _further_videos(studio, takes, effort)
    rows["vae_psnr"] = vae_psnr(studio.animator, clips, count)
    rows["seconds_for_4s"] = seconds_for_4s(studio.model, effort.timed)
    rows["size_mb"] = size_mb(studio.model)
    return {key: rows[key] for key in ORDER}


def read_trials(trials: list[Trial]) -> dict[str, Row | Missing]:
    """The rows that need nothing but clips and takes."""
    readers: dict[str, Callable[[list[Trial]], Row | Missing]] = {
        "lip_open_r": clip_rows.lip_open,
        "lip_lag": clip_rows.lip_lag,
        "mouth_width_r": clip_rows.mouth_width,
        "puppet_r": clip_rows.against_puppet,
        "silence_ratio": clip_rows.silence,
        "brow_pitch_r": clip_rows.brow_pitch,
        "blinks": clip_rows.blinks,
        "singing": clip_rows.singing,
    }
    return {key: read(trials) for key, read in readers.items()}


def _further_videos(studio: Studio, takes: list[Take], effort: Effort) -> dict[str, Row | Missing]:
    return {
        "identity_top1": identity_top1(studio, takes),
        "identity_drift": identity_drift(studio, effort.long_videos),
        "speed_spearman": speed_spearman(studio, effort.speed_clips),
        "real_voice_r": real_voice(studio, effort.voice_people),
    }


def as_json(rows: dict[str, Row | Missing]) -> dict[str, Any]:
    """One object per row under its key."""
    return {key: row.to_dict() for key, row in rows.items()}


ORDER = (
    "lip_open_r",
    "lip_lag",
    "mouth_width_r",
    "puppet_r",
    "silence_ratio",
    "identity_top1",
    "identity_drift",
    "brow_pitch_r",
    "blinks",
    "region_iou",
    "speed_spearman",
    "singing",
    "seam_ratio",
    "vae_psnr",
    "real_voice_r",
    "seconds_for_4s",
    "size_mb",
)
