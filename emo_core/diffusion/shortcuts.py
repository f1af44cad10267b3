"""Which steps of a sampling leave something out. The defaults leave out nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shortcuts:
    """Approximations that a user asks for, to be faster."""

    deep_every: int = 1
    """The deep layers run at every n-th step; between, the outer ones use what they made."""
    guided_share: float = 1.0
    """Share of the steps, from the first, that are guided; the others see the full conditions only."""

    def __post_init__(self) -> None:
        if self.deep_every < 1:
            raise ValueError(f"deep_every is {self.deep_every}, want a number of steps from 1 (all of them)")
        if not 0 <= self.guided_share <= 1:
            raise ValueError(f"guided_share is {self.guided_share}, want 0 to 1 (all steps)")

    def deep(self, step: int) -> bool:
        """Whether the deep layers run at a step, counted from 0."""
        return step % self.deep_every == 0

    def guided(self, step: int, steps: int) -> bool:
        """Whether a step, counted from 0, is guided."""
        return step < round(self.guided_share * steps)
