"""Claims that are read off the takes of the held-out clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..evaluation.metrics import (
    best_lag,
    bootstrap,
    box_iou,
    events,
    pearson,
    seam_ratio,
    union_box,
)
from ..training.instrument import head_speed
from ..training.synthetic.clip_shards import ClipShards
from ..training.synthetic.types import TRACKS
from .hearing import pitch_curve, puppet, silence_and_speech
from .row import Bar, Missing, Row
from .takes import Take

PUPPETS = [(power, sigma) for power in (0.5, 1.0) for sigma in (0.5, 1.0, 2.0)]
"""Ways to drive a puppet's mouth; it is judged by the best of them."""


@dataclass(frozen=True)
class Trial:
    """A held-out clip and what the model made of it."""

    take: Take
    tracks: np.ndarray
    """Truth, float32 [F, 14], columns `TRACKS`."""
    boxes: np.ndarray
    waveform: np.ndarray
    singing: bool
    fps: float

    @property
    def frames(self) -> int:
        """Frames that both have."""
        return min(len(self.tracks), len(self.take.readings.tracks))

    def pair(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A measure in the take and in truth."""
        return (
            self.take.readings.track(name)[: self.frames],
            self.tracks[: self.frames, TRACKS.index(name)],
        )

    def correlation(self, name: str) -> float:
        """r of a measure with truth."""
        return pearson(*self.pair(name))


def trial(clips: ClipShards, clip: int, take: Take) -> Trial:
    """A clip's truth beside its take."""
    tracks, boxes = np.array(clips.tracks(clip)), np.array(clips.boxes(clip))
    return Trial(take, tracks, boxes, clips.waveform(clip)[0], clips.info[clip].singing, clips.plan.fps)


def measured_speed(take: Take) -> np.ndarray:
    """Degrees per frame [F - 1] in a take."""
    return head_speed(np.stack([take.readings.track(name) for name in ("yaw", "pitch", "roll")], 1))


def row_of(claim: str, values: list[float], bar: Bar, how: str = "median", **details: object) -> Row:
    """Median or mean of one number per clip with its interval."""
    statistic = {"median": np.nanmedian, "mean": np.nanmean}[how]
    low, high = bootstrap(values, lambda drawn: float(statistic(drawn)))
    return Row(claim, float(statistic(values)), low, high, bar, {"clips": len(values), **details})


def lip_open(trials: list[Trial]) -> Row:
    """Lip-sync: the mouth's opening against truth."""
    values = [t.correlation("open") for t in trials]
    return row_of("r(mouth open, truth), median", values, Bar(0.93), tenth_percentile=_low(values))


def lip_lag(trials: list[Trial]) -> Row:
    """Share of clips whose best lag is 0 frames."""
    lags = [best_lag(*t.pair("open")) for t in trials]
    counts = {str(lag): lags.count(lag) for lag in sorted(set(lags))}
    zero = [float(lag == 0) for lag in lags]
    return row_of("share of clips whose best lag is 0 frames", zero, Bar(0.95), "mean", lags=counts)


def mouth_width(trials: list[Trial]) -> Row:
    """Visemes: the mouth's width against truth."""
    values = [t.correlation("width") for t in trials]
    rounding = float(np.nanmedian([t.correlation("round") for t in trials]))
    return row_of(
        "r(mouth width, truth), median", values, Bar(0.80), round_r=rounding, tenth_percentile=_low(values)
    )


def against_puppet(trials: list[Trial]) -> Row:
    """The same r of a mouth that only follows loudness; the best of several puppets."""
    ours = bootstrap([t.correlation("open") for t in trials], lambda drawn: float(np.nanmedian(drawn)))[0]
    kinds = {kind: [_puppet_r(t, *kind) for t in trials] for kind in PUPPETS}
    best = max(kinds, key=lambda kind: float(np.nanmedian(kinds[kind])))
    width = float(np.nanmedian([_puppet_r(t, *best, name="width") for t in trials]))
    claim = "r(RMS-driven mouth, truth), median; must be below lip_open_r's interval"
    return row_of(claim, kinds[best], Bar(most=ours), rms_power=best[0], sigma_frames=best[1], width_r=width)


def _puppet_r(t: Trial, power: float, sigma: float, name: str = "open") -> float:
    curve = puppet(t.waveform, t.frames, t.fps, power, sigma)
    return pearson(curve, t.pair(name)[1])


def silence(trials: list[Trial]) -> Row | Missing:
    """How far the mouth is open in silence against in speech."""
    claim = "mouth open in silence / in speech"
    sums = [_silence_sums(t) for t in trials]
    if sum(ours[1] for ours, _ in sums) == 0:
        return Missing(claim, "no clip has silence long enough")

    def ratio(drawn: list[tuple[np.ndarray, np.ndarray]], which: int = 0) -> float:
        quiet, quiet_frames, speech, speech_frames = np.sum([pair[which] for pair in drawn], axis=0)
        return float(quiet / max(quiet_frames, 1) / max(speech / max(speech_frames, 1), 1e-6))

    details = {"truth": ratio(sums, 1), "silent_frames": int(sum(ours[1] for ours, _ in sums))}
    return Row(claim, ratio(sums), *bootstrap(sums, ratio), Bar(most=0.25), details)


def _silence_sums(t: Trial) -> tuple[np.ndarray, np.ndarray]:
    quiet, speech = silence_and_speech(t.waveform, t.frames, t.fps)
    made = []
    for curve in t.pair("open"):
        curve = curve.clip(0)
        made.append(np.array([curve[quiet].sum(), quiet.sum(), curve[speech].sum(), speech.sum()]))
    return made[0], made[1]


def brow_pitch(trials: list[Trial]) -> Row:
    """Expression: brows against the pitch of the voice."""
    spoken = [t for t in trials if not t.singing]
    values = [pearson(t.pair("brow")[0], pitch_curve(t.waveform, t.frames, t.fps)) for t in spoken]
    truth = [pearson(t.pair("brow")[1], pitch_curve(t.waveform, t.frames, t.fps)) for t in spoken]
    return row_of("r(brow, pitch), median", values, Bar(0.6), truth=float(np.nanmedian(truth)))


def blinks(trials: list[Trial]) -> Row:
    """Blinks per minute, and how often both eyes close at once."""
    counts, together, true = [], [], []
    for t in trials:
        lids = t.take.readings.lids
        found = events(lids.mean(1))
        counts.append((len(found), len(lids) / t.fps / 60))
        true.append(len(events(t.tracks[:, TRACKS.index("blink")])))
        for left, right in ((lids[:, 0], lids[:, 1]), (lids[:, 1], lids[:, 0])):
            together += [bool(right[first:last].max() > 0.4) for first, last in events(left)]

    def rate(drawn: list[tuple[int, float]]) -> float:
        return sum(n for n, _ in drawn) / sum(minutes for _, minutes in drawn)

    at_once = float(np.mean(together)) if together else float("nan")
    details = {
        "both_eyes_at_once": at_once,
        "truth_per_minute": sum(true) / sum(minutes for _, minutes in counts),
        "must": {"both eyes at once in >= 90 %": at_once >= 0.9},
    }
    return Row("blinks per minute", rate(counts), *bootstrap(counts, rate), Bar(8, 30), details)


def region(trials: list[Trial], portrait_boxes: list[np.ndarray]) -> Row:
    """IoU of the region the heads took (union over the clip) and the region asked for."""
    values, stays = [], []
    for t, portrait in zip(trials, portrait_boxes, strict=True):
        asked = union_box(t.boxes[: t.frames])
        values.append(float(box_iou(union_box(t.take.readings.boxes[: t.frames]), asked)))
        stays.append(float(box_iou(portrait, asked)))
    claim = "IoU of the heads' union and the region asked for, mean"
    return row_of(claim, values, Bar(0.85), "mean", if_the_head_stayed=float(np.mean(stays)))


def seams(trials: list[Trial], clip_frames: int) -> Row:
    """Jumps between frames where clips meet against inside them."""
    values = [seam_ratio(t.take.jumps, clip_frames) for t in trials]
    inside = float(np.mean([t.take.jumps.mean() for t in trials]))
    return row_of(
        "jump at clip joins / inside clips, mean", values, Bar(most=1.15), "mean", jump_of_255=inside
    )


def singing(trials: list[Trial]) -> Row | Missing:
    """Mouth and head of sung clips."""
    claim = "r(mouth open, truth) on sung clips, median"
    sung, spoken = [t for t in trials if t.singing], [t for t in trials if not t.singing]
    if len(sung) < 3 or not spoken:
        return Missing(claim, f"{len(sung)} sung clips are too few: ask for more --clips")
    speed = {
        name: float(np.mean([measured_speed(t.take).mean() for t in group]))
        for name, group in (("sung", sung), ("spoken", spoken))
    }
    true = {
        name: float(np.mean([head_speed(t.tracks[:, 8:11]).mean() for t in group]))
        for name, group in (("sung", sung), ("spoken", spoken))
    }
    return row_of(
        claim,
        [t.correlation("open") for t in sung],
        Bar(0.93),
        width_r=float(np.nanmedian([t.correlation("width") for t in sung])),
        deg_per_frame=speed,
        deg_per_frame_in_truth=true,
        must={"the head is faster than in speech": speed["sung"] > speed["spoken"]},
    )


def _low(values: list[float]) -> float:
    return float(np.nanpercentile(values, 10))
