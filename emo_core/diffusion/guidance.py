"""How predictions with and without conditions become one."""

from __future__ import annotations

from torch import Tensor


def guide(none: Tensor, full: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance: from no condition towards all of them; 1 is the full prediction itself."""
    return none + scale * (full - none)


def guide_twice(none: Tensor, reference: Tensor, full: Tensor, scale: float, audio_scale: float) -> Tensor:
    """Guidance in two steps: to the portrait by `scale`, from there to portrait and sound by `audio_scale`.

    Equal scales are `guide` with the prediction of the portrait alone left out.
    """
    return none + scale * (reference - none) + audio_scale * (full - reference)
