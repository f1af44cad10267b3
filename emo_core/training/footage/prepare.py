"""Footage to shards with Ray Data: on this machine, or the same on a cluster."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...optional import need
from .output import Output, Part
from .parts import Job, PartWorker, open_detector
from .videos import list_videos

STORE_BYTES = 300 << 20
"""Ray's shared memory on one machine: only part names and counts travel, pictures never leave a worker."""

Progress = Callable[[int, int, int], None]
"""Told after each part: bytes of video done, clips accepted, stretches rejected."""


@dataclass(frozen=True)
class Engine:
    """Where the work is done."""

    workers: int = 1
    """Processes at most; each takes one core."""
    address: str | None = None
    """Of a Ray cluster; None starts one on this machine for as long as the work lasts."""
    gpus: float = 0.0
    """GPUs, or a part of one, per worker."""


@dataclass(frozen=True)
class Report:
    """What is in the folder now."""

    parts: int
    failed: int
    """Parts whose worker died; the next run tries them again."""
    seconds: float
    """Of accepted clips."""
    accepted: int
    reasons: dict[str, int]
    """Rejected stretches by reason."""


def prepare(job: Job, engine: Engine, start: Callable[[int], Progress]) -> Report:
    """Do what is not done yet and write the manifest. `start` gets the bytes to do and returns the progress."""
    output = Output(job.out)
    parts = output.plan(list_videos(job.videos), job.identity())
    missing = [part for part in parts if not output.is_done(part)]
    if missing:
        _check_packages(job)
        progress = start(sum(part.size for part in missing))
        for row in run_on_ray(job, missing, engine):
            progress(int(row["size"]), int(row["accepted"]), int(row["rejected"]))
    lines = output.write_manifest(parts)
    accepted = [line for line in lines if line["accepted"]]
    return Report(
        parts=len(parts),
        failed=sum(not output.is_done(part) for part in missing),
        seconds=sum(line["end"] - line["start"] for line in accepted),
        accepted=len(accepted),
        reasons=dict(Counter(line["reason"] for line in lines if not line["accepted"]).most_common()),
    )


class RayWorker(PartWorker):
    """A worker in a process that Ray has started."""

    def __init__(self, job: Job) -> None:
        # Such a process has the user's terminal as its input, but in the background, where a program that touches
        # it is stopped for ever; PySceneDetect runs one (ffmpeg) when it is imported.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        super().__init__(job)


def run_on_ray(job: Job, parts: list[Part], engine: Engine) -> Iterator[dict[str, Any]]:
    """Rows of `PartWorker`, as the parts are finished."""
    data = need("ray.data", "'ray[data]'")
    with _ray(engine):
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # a part that kills its worker must not stop the others
        rows = [{"name": part.name, "videos": list(part.videos), "size": part.size} for part in parts]
        made = data.from_items(rows, override_num_blocks=len(rows)).map(
            RayWorker,
            fn_constructor_args=(job,),
            compute=data.ActorPoolStrategy(
                min_size=1,
                max_size=min(engine.workers, len(rows)),
                max_tasks_in_flight_per_actor=1,  # what kills a worker takes no other part with it
            ),
            num_cpus=1,
            num_gpus=engine.gpus,
            max_task_retries=1,  # a video that kills its worker would do so for ever
        )
        yield from made.iter_rows()


def _check_packages(job: Job) -> None:
    """Fail here with one sentence rather than in every worker."""
    open_detector(job.detector)
    need("scenedetect", "scenedetect-headless")
    need("webdataset", "webdataset")
    need("ray", "'ray[data]'")


@contextmanager
def _ray(engine: Engine) -> Iterator[None]:
    """A connection to Ray; one on this machine is small and ends with the work."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = need("ray", "'ray[data]'")
    if engine.address is None:
        ray.init(
            address="local",
            num_cpus=engine.workers,
            object_store_memory=STORE_BYTES,
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
        )
    else:
        package = Path(__file__).parents[2]  # emo_core, which the cluster's machines need not have
        ray.init(address=engine.address, runtime_env={"py_modules": [str(package)]}, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()
