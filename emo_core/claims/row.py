"""One line of the built-in model's table."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bar:
    """What a value must reach."""

    least: float | None = None
    most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value is within both limits."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        if self.least is None:
            return f"<= {self.most:g}"
        return f">= {self.least:g}" if self.most is None else f"{self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Row:
    """A measured claim."""

    claim: str
    value: float
    low: float
    """Ends of the 95 % interval."""
    high: float
    bar: Bar
    details: dict[str, Any] = field(default_factory=dict)
    """Further numbers; entries under "must" are conditions that hold or not, besides the bar."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; not-a-number becomes null."""
        conditions = self.details.get("must", {})
        return {
            "claim": self.claim,
            "value": _number(self.value),
            "low": _number(self.low),
            "high": _number(self.high),
            "bar": str(self.bar),
            "holds": self.bar.holds(self.value) and all(conditions.values()),
            **_plain(self.details),
        }


@dataclass(frozen=True)
class Missing:
    """A claim that could not be measured, and why."""

    claim: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, null in place of numbers."""
        return {
            "claim": self.claim,
            **dict.fromkeys(("value", "low", "high", "bar", "holds")),
            "reason": self.reason,
        }


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, bool, int)) or value is None else _number(value)
