"""What a person writes down to train on footage: one YAML or JSON file, checked field by field."""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..checkpoints.shapes import merge
from ..config import EmoConfig
from ..optional import need
from .loop import LoopPlan
from .stages import IMAGE, SPEED, STAGES, VIDEO, Stage
from .start import Start


@dataclass(frozen=True)
class Validation:
    """Clips that show how training goes."""

    every: int = 1000
    """Steps; 0 is never."""
    clips: int = 4
    steps: int = 25
    """Denoising steps."""
    guidance: float = 2.0
    audio_guidance: float = 2.0


@dataclass(frozen=True)
class StagePlan:
    """One stage and how it is trained."""

    stage: Stage
    loop: LoopPlan


@dataclass(frozen=True)
class FootagePlan:
    """Everything about one training run; the defaults are the paper's where it says something."""

    data: tuple[str, ...]
    """Prepared footage: folders or addresses."""
    start: Start = field(default_factory=Start)
    model: EmoConfig = field(default_factory=EmoConfig)
    stages: tuple[StagePlan, ...] = ()
    validation: Validation = field(default_factory=Validation)
    recompute: bool = True
    """Gradient checkpointing."""
    seed: int = 0


_LOOP = LoopPlan(
    steps=30_000,
    learning_rate=1e-5,  # the paper's, for all stages
    warmup=500,
    cooldown=0.0,
    ema=0.9999,
    save_seconds=1800.0,
    mixed_precision=True,
    sharing="ddp",
    tensorboard=True,
)
PAPER_STAGES = {
    # batches of the paper: 48 pictures, 4 clips; here per process and before `accumulate`
    "image": StagePlan(dataclasses.replace(IMAGE, frames=1, rows=6), _LOOP),
    "video": StagePlan(dataclasses.replace(VIDEO, rows=1), _LOOP),
    "speed": StagePlan(dataclasses.replace(SPEED, rows=1), dataclasses.replace(_LOOP, steps=10_000)),
}
"""The three stages at full size; a plan file names those it wants and changes what it likes."""


def read_plan(path: Path) -> FootagePlan:
    """Read a plan; ValueError names the field that is wrong."""
    text = path.read_text()
    data = json.loads(text) if path.suffix == ".json" else need("yaml", "pyyaml").safe_load(text)
    if not isinstance(data, dict) or not data.get("data"):
        raise ValueError(f"{path} must be a mapping with at least `data`: the prepared footage")
    stages = data.pop("stages", None) or {name: {} for name in PAPER_STAGES}
    model = EmoConfig.from_dict(merge(EmoConfig().to_dict(), data.pop("model", None) or {}))
    data["data"] = [data["data"]] if isinstance(data["data"], str) else data["data"]
    plan = change(FootagePlan(data=(), model=model), data, str(path))
    return dataclasses.replace(
        plan, stages=tuple(_stage(name, stages[name] or {}) for name in _order(stages))
    )


def _order(names: typing.Iterable[str]) -> list[str]:
    unknown = set(names) - set(PAPER_STAGES)
    if unknown:
        raise ValueError(f"there is no stage {sorted(unknown)}; stages are {list(PAPER_STAGES)}")
    return [stage.name for stage in STAGES if stage.name in names]


def _stage(name: str, changes: dict[str, Any]) -> StagePlan:
    """Fields of `Stage` and of `LoopPlan` in one mapping."""
    of_stage = {field.name for field in dataclasses.fields(Stage)}
    base = PAPER_STAGES[name]
    return StagePlan(
        change(base.stage, {k: v for k, v in changes.items() if k in of_stage}, f"stage {name}"),
        change(base.loop, {k: v for k, v in changes.items() if k not in of_stage}, f"stage {name}"),
    )


T = typing.TypeVar("T")


def change(base: T, changes: dict[str, Any], where: str) -> T:
    """A dataclass with nested changes from a file; ValueError names what is unknown or of the wrong kind."""
    hints = typing.get_type_hints(type(base))
    values = {}
    for name, value in changes.items():
        if name not in hints:
            raise ValueError(f"{where}: there is no field {name!r}; fields are {sorted(hints)}")
        old = getattr(base, name)
        if dataclasses.is_dataclass(old) and isinstance(value, dict):
            values[name] = change(old, value, f"{where}, {name}")
        else:
            values[name] = _value(hints[name], value, f"{where}, {name}")
    return dataclasses.replace(base, **values)  # type: ignore[type-var]


def _value(hint: Any, value: Any, where: str) -> Any:
    """YAML reads 1e-5 as text and lists where we want tuples."""
    try:
        if hint is float:
            return float(value)
        if hint is int and int(value) == float(value):
            return int(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} must be a number, got {value!r}") from error
    if hint is int:
        raise ValueError(f"{where} must be a whole number, got {value!r}")
    choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
    if choices and value not in choices:
        raise ValueError(f"{where} must be one of {list(choices)}, got {value!r}")
    if hint is bool and not isinstance(value, bool):
        raise ValueError(f"{where} must be true or false, got {value!r}")
    return tuple(value) if isinstance(value, list) else value
