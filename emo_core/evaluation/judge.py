"""The paper's metrics of one run's videos against the true ones (paper, tables 1 and 2), with intervals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .descriptors import DESCRIBERS, Describe, Portrait, Video, head_speed, read_video
from .faces import FaceTrack, sidecar
from .frechet import frechet_distance
from .metrics import bootstrap
from .networks import NETWORKS, Network, NetworkFile, UnavailableError, locate

LOG = logging.getLogger(__name__)
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
FindFace = Callable[[Path, np.ndarray], FaceTrack | None]
"""(file, frames) -> the face in them."""
Rows = Mapping[str, np.ndarray]
"""What one video gives to each metric, by its name."""
VELOCITY = "velocity"


@dataclass(frozen=True)
class Score:
    """One number, or why there is none."""

    value: float | None
    low: float | None = None
    """95 % bootstrap interval over videos."""
    high: float | None = None
    videos: int = 0
    reason: str = ""

    @staticmethod
    def missing(reason: str) -> Score:
        """Not measured."""
        return Score(None, reason=reason)


@dataclass(frozen=True)
class Pair:
    """What a generated video and the true one of the same name give; true ones are judged against themselves."""

    made: Rows
    true: Rows


def namesakes(made: Path, true: Path) -> list[tuple[Path, Path]]:
    """Videos of the same name in two folders; ValueError if there is none."""
    theirs = {path.stem: path for path in videos(true)}
    pairs = [(path, theirs[path.stem]) for path in videos(made) if path.stem in theirs]
    if not pairs:
        raise ValueError(
            f"no video of {made} has a namesake in {true}: give equal names to what belongs together"
        )
    return pairs


def videos(folder: Path) -> list[Path]:
    """The video files of a folder, by name."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def read_track(path: Path, frames: np.ndarray) -> FaceTrack | None:
    """The face track beside a video, if there is one."""
    file = sidecar(path)
    if not file.is_file():
        return None
    track = FaceTrack.read(file)
    if len(track.boxes) != len(frames):
        raise ValueError(
            f"{file} is of {len(track.boxes)} frames, {path.name} has {len(frames)}: track it again"
        )
    return track


class Judge:
    """The networks that are there, and the reasons why others are not."""

    def __init__(
        self, folder: Path | None, find_face: FindFace = read_track, networks: Sequence[Network] = NETWORKS
    ) -> None:
        self.find_face = find_face
        self.files: dict[str, NetworkFile] = {}
        self.reasons: dict[str, str] = {}
        self._describers: dict[str, Describe] = {VELOCITY: head_speed}
        for wanted in networks:
            try:
                self.files[wanted.metric] = locate(wanted, folder)
            except UnavailableError as error:
                self.reasons[wanted.metric] = str(error)
            else:
                self._describers[wanted.metric] = DESCRIBERS[wanted.metric](self.files[wanted.metric])

    def describe(self, pairs: Sequence[tuple[Path, Path]]) -> list[Pair]:
        """Run every network over every pair of videos."""
        return [self._pair(made, true) for made, true in pairs]

    def _pair(self, made: Path, true: Path) -> Pair:
        LOG.info("reading %s and %s", made, true)
        theirs = read_video(true, self.find_face)
        portrait = None if theirs.track is None else Portrait(theirs.frames[0], theirs.track.boxes[0])
        theirs = Video(theirs.frames, theirs.fps, theirs.sound, theirs.track, portrait)
        truth = self._rows(theirs)
        if made == true:
            return Pair(truth, truth)
        ours = read_video(made, self.find_face)
        return Pair(self._rows(Video(ours.frames, ours.fps, ours.sound, ours.track, portrait)), truth)

    def _rows(self, video: Video) -> Rows:
        rows = {}
        for name, describe in self._describers.items():
            try:
                rows[name] = describe(video)
            except UnavailableError as error:
                self.reasons.setdefault(name, str(error))
        return rows

    def scores(self, pairs: Sequence[Pair], draws: int = 100) -> dict[str, Score]:
        """The paper's numbers by name; those of velocity are of table 2."""
        return {name: self._score(source, statistic, pairs, draws) for name, source, statistic in METRICS}

    def _score(self, source: str, statistic: Statistic, pairs: Sequence[Pair], draws: int) -> Score:
        whole = [pair for pair in pairs if source in pair.made and source in pair.true]
        if not whole:
            return Score.missing(self.reasons.get(source, "not measured"))
        parts = [(pair.made[source], pair.true[source]) for pair in whole]
        try:
            value = statistic(parts)
            low, high = bootstrap(parts, statistic, draws=draws) if len(parts) > 1 else (None, None)
        except ValueError as error:
            return Score.missing(str(error))
        return Score(value, low, high, len(parts))


Part = tuple[np.ndarray, np.ndarray]
"""Rows of a generated video and of the true one."""
Statistic = Callable[[Sequence[Part]], float]


def _distance(parts: Sequence[Part]) -> float:
    return frechet_distance(*(np.concatenate(side) for side in zip(*parts, strict=True)))


def _mean(column: int) -> Statistic:
    """Mean over videos of a column's mean in each."""
    return lambda parts: float(np.mean([made[:, column].mean() for made, _ in parts]))


def _variance_within(parts: Sequence[Part]) -> float:
    return float(np.mean([made.var() for made, _ in parts]))


def _variance_of_means(parts: Sequence[Part]) -> float:
    return float(np.var([made.mean() for made, _ in parts]))


METRICS: tuple[tuple[str, str, Statistic], ...] = (
    ("FID", "FID", _distance),
    ("SyncNet", "SyncNet", _mean(0)),
    ("F-SIM", "F-SIM", _mean(0)),
    ("FVD", "FVD", _distance),
    ("E-FID", "E-FID", _distance),
    ("SyncNet distance", "SyncNet", _mean(1)),
    ("SyncNet offset", "SyncNet", _mean(2)),
    ("Mean velocity", VELOCITY, _mean(0)),
    ("Velocity variance", VELOCITY, _variance_within),
    ("VMV", VELOCITY, _variance_of_means),
)
"""Name, whose rows it takes, and what it makes of them."""
