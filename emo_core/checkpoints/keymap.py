"""Key tables: how the names in published files become ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from .errors import CheckpointError, UnknownKeyError

T = TypeVar("T")

_FIELD = re.compile(r"\{(i|last|part|name)\}")
_EXPRESSIONS = {"i": r"(\d+)", "last": r"(?P<last>\d+)", "part": r"([^.]+)", "name": r"(.+)"}


@dataclass(frozen=True)
class KeyMap:
    """Rules from published names to ours, tried in order.

    In a pattern `{i}` stands for a number, `{last}` for the highest number at that place in the file,
    `{part}` for one name between dots, `{name}` for the rest. A target repeats the fields in the same order.
    None means: known and not needed. A key that no rule names is an error.
    """

    rules: Mapping[str, str | None]

    def apply(self, tensors: Mapping[str, T]) -> dict[str, T]:
        """The same values under our names, without what is not needed.

        Raises UnknownKeyError for a key without a rule and CheckpointError if two keys become one.
        """
        rules = self._bound(tensors)
        ours: dict[str, T] = {}
        for key, value in tensors.items():
            name = _rename(key, rules)
            if name is None:
                continue
            if name in ours:
                raise CheckpointError(
                    f"two tensors become {name!r}, one of them is {key!r}: remove the wrong one"
                )
            ours[name] = value
        return ours

    @cached_property
    def _compiled(self) -> list[_Rule]:
        return [_Rule.compile(pattern, target) for pattern, target in self.rules.items()]

    def _bound(self, keys: Iterable[str]) -> list[tuple[_Rule, str | None]]:
        """Compiled rules with the number that each `{last}` stands for: one place has one last number."""
        last: dict[re.Pattern[str] | None, str | None] = {None: None}
        for place in {rule.place for rule in self._compiled if rule.place is not None}:
            found = [int(match["last"]) for match in map(place.match, keys) if match]
            last[place] = str(max(found, default=-1))
        return [(rule, last[rule.place]) for rule in self._compiled]


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    place: re.Pattern[str] | None
    """The beginning of the pattern up to its `{last}`, if it has one."""
    target: str | None

    @staticmethod
    def compile(pattern: str, target: str | None) -> _Rule:
        place, last, _ = pattern.partition("{last}")
        return _Rule(
            re.compile(_expression(pattern)),
            re.compile(_expression(place + last) + r"\.") if last else None,
            None if target is None else _FIELD.sub("{}", target),
        )


def _expression(pattern: str) -> str:
    parts = _FIELD.split(pattern)  # text and field names take turns
    return "".join(_EXPRESSIONS[part] if i % 2 else re.escape(part) for i, part in enumerate(parts))


def _rename(key: str, rules: list[tuple[_Rule, str | None]]) -> str | None:
    for rule, last in rules:
        match = rule.pattern.fullmatch(key)
        if match and (last is None or match["last"] == last):
            return None if rule.target is None else rule.target.format(*match.groups())
    raise UnknownKeyError(
        f"no rule knows the tensor {key!r}: the file is of another family or version, or holds more than one "
        "model"
    )
