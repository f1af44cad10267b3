"""Where someone else may change what the backbone does: a ControlNet, attention patches, guidance by attention.

A host translates its own ways of patching a network into one `Hooks`; the network itself knows no host.
Blocks are named by their path, `down_blocks.1.attentions.0` for everything behind that resnet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

Inputs = Callable[[Tensor, Tensor, Tensor], "tuple[Tensor, Tensor, Tensor]"]
"""What the projections of query [B, L, C], keys and values [B, T, D] get -> what they shall get instead."""
Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Projected q [B, L, C], k and v [B, T, C] -> [B, L, C]."""


@dataclass(frozen=True)
class AttentionHook:
    """Changes to one call of one attention layer, whose keys have a row for each row of the query."""

    inputs: Inputs | None = None
    kernel: Kernel | None = None
    """Takes the place of the attention between the projections."""
    output: Callable[[Tensor], Tensor] | None = None


class Hooks:
    """Called as the backbone runs. These change nothing and cost nothing."""

    def down(self, x: Tensor, path: str) -> tuple[Tensor, Tensor]:
        """What goes on and what is kept as a skip, both x [R*F, C, H, W], behind each layer on the way down."""
        return x, x

    def middle(self, x: Tensor) -> Tensor:
        """What goes on behind the middle block, x [R*F, C, H, W]."""
        return x

    def up(self, x: Tensor, skip: Tensor, path: str) -> tuple[Tensor, Tensor]:
        """x and the skip [R*F, C, H, W] that it meets before each layer on the way up."""
        return x, skip

    def passed_over(self, path: str) -> None:
        """Instead of `up` for a layer that does not run in this pass."""

    def attention(self, name: str, path: str, rows: Sequence[int] | None = None) -> AttentionHook | None:
        """Changes to layer `name` (attn1 or attn2) of a block for those rows of the batch; None for none."""
        return None
