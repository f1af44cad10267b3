"""Claims about who is seen: recognised among 50, and still the same after a minute."""

from __future__ import annotations

import numpy as np

from ..evaluation.instrument import Instrument
from ..evaluation.metrics import bootstrap
from ..training.synthetic.clip_shards import ClipShards
from .row import Bar, Missing, Row
from .takes import Studio, Take

GALLERY = 50


def portraits_of(instrument: Instrument, clips: ClipShards, clip: int) -> np.ndarray:
    """Mean identity vector [64] of pictures of the clip's person that the model did not get."""
    return unit(instrument.measure(clips.portraits(clip)[1:]).identity.mean(0))


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector at length 1."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def top1(queries: list[np.ndarray], gallery: np.ndarray, size: int) -> list[float]:
    """1 where query i [D] is nearer to gallery row i than to the next `size` - 1 rows, cyclically, else 0."""
    found = []
    for index, query in enumerate(queries):
        rows = gallery[(index + np.arange(size)) % len(gallery)]
        found.append(float(np.argmax(rows @ query) == 0))
    return found


def identity_top1(studio: Studio, takes: list[Take]) -> Row | Missing:
    """Whose face is it, among 50 people of the same world?"""
    clips, instrument, claim = (
        studio.clips,
        studio.instrument,
        "top-1 of 50 by the instrument's identity vector",
    )
    if len(clips) < GALLERY:
        return Missing(claim, f"{len(clips)} held-out people, {GALLERY} are needed: make more clips")
    gallery = np.stack([portraits_of(instrument, clips, i) for i in range(len(clips))])
    made = top1([unit(take.readings.identity.mean(0)) for take in takes], gallery, GALLERY)
    real = [unit(instrument.measure(clips.frames(i)[::10]).identity.mean(0)) for i in range(len(takes))]
    ceiling = float(np.mean(top1(real, gallery, GALLERY)))
    interval = bootstrap(made, lambda drawn: float(np.mean(drawn)))
    return Row(
        claim, float(np.mean(made)), *interval, Bar(0.98), {"clips": len(made), "rendered_frames": ceiling}
    )


def identity_drift(studio: Studio, videos: int, seconds: float = 60.0) -> Row | Missing:
    """How much further from the portrait the last second is than the first, in distances between people."""
    claim = f"identity distance, last less first second of {seconds:g} s, over the distance between people"
    if not videos:
        return Missing(claim, "left out: ask for --long-videos")
    clips, second = studio.clips, round(studio.fps)
    whole = np.concatenate([clips.waveform(i)[0] for i in range(len(clips))])
    rate = clips.waveform(0)[1]
    length = round(seconds * rate)
    if len(whole) < length:
        return Missing(
            claim, f"{len(whole) / rate:.0f} s of held-out sound, {seconds:g} are needed: make more clips"
        )
    owners = np.stack([portraits_of(studio.instrument, clips, i) for i in range(len(clips))])
    apart = float(np.mean([1 - owners[i] @ owners[i - 1] for i in range(len(clips))]))
    starts = np.linspace(0, len(whole) - length, videos).astype(int)
    takes = [studio.take(i, whole[start : start + length], rate, 0.5) for i, start in enumerate(starts)]
    curves = []
    for i, take in enumerate(takes):
        who = take.readings.identity[: len(take.readings.identity) // second * second]
        by_second = np.stack([unit(part.mean(0)) for part in who.reshape(-1, second, who.shape[1])])
        curves.append((1 - by_second @ owners[i]) / apart)
    growth = [float(curve[-1] - curve[0]) for curve in curves]
    interval = bootstrap(growth, lambda drawn: float(np.mean(drawn)))
    every = np.mean(curves, axis=0)[:: max(1, len(curves[0]) // 6)]
    details = {"videos": videos, "by_time": [float(v) for v in every]}
    return Row(claim, float(np.mean(growth)), *interval, Bar(most=0.05), details)
