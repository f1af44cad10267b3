"""Which frames of a video are in work: clips of ours and the host's context windows, cut out of what goes with them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import comfy.context_windows
import comfy.controlnet
import comfy.model_patcher
import comfy.patcher_extension
from torch import Tensor

CalcCondBatch = Callable[..., list[Tensor]]


class FrameWindows(comfy.context_windows.ContextHandlerABC):
    """The host's context windows for frames on the batch axis.

    Hosts up to 0.3.75 compare the timesteps of all frames with the list of noise levels, which fails; here they
    see one timestep. And each window gets the ControlNet hints of its own frames.
    """

    def __init__(self, handler: comfy.context_windows.ContextHandlerABC) -> None:
        self._handler = handler

    def should_use_context(self, *args: Any) -> bool:
        """As the host decides."""
        return self._handler.should_use_context(*args)

    def get_resized_cond(self, *args: Any) -> list[Any]:
        """As the host does it."""
        return self._handler.get_resized_cond(*args)

    def execute(
        self,
        calc_cond_batch: CalcCondBatch,
        model: Any,
        conds: list[Any],
        x_in: Tensor,
        timestep: Tensor,
        model_options: dict[str, Any],
    ) -> Any:
        """Predictions of all windows, put together by the host."""

        def one_window(
            model: Any, conds: list[Any], x: Tensor, timestep: Tensor, options: dict[str, Any]
        ) -> list[Tensor]:
            frames = window_frames(options["transformer_options"], x.shape[0])
            conds = [cond and [with_hints(entry, frames) for entry in cond] for cond in conds]
            return calc_cond_batch(model, conds, x, timestep[:1].expand(x.shape[0]), options)

        return self._handler.execute(one_window, model, conds, x_in, timestep[:1], model_options)


def use_frame_windows(handle: comfy.model_patcher.ModelPatcher) -> None:
    """Make a MODEL's context windows, which a later node may set, work on frames."""
    handle.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.PREDICT_NOISE, "emo", _predict_noise)


def _predict_noise(
    executor: Callable[..., Tensor], x: Tensor, timestep: Tensor, options: dict[str, Any], seed: int | None
) -> Tensor:
    handler = options.get("context_handler")
    if handler is not None:
        options = {**options, "context_handler": FrameWindows(handler)}
    return executor(x, timestep, options, seed)


def window_frames(transformer_options: dict[str, Any], frames: int) -> list[int] | None:
    """The numbers of the frames in the context window in work; None if all are."""
    window = transformer_options.get("context_window")
    if window is None:
        return None
    found = list(window.index_list)
    anchor = getattr(window, "causal_anchor_index", None)  # newer hosts put a frame in front of a window
    found = found if anchor is None or anchor < 0 else [anchor, *found]
    return found if len(found) == frames else None


def with_hints(cond: dict[str, Any], frames: Sequence[int] | None) -> dict[str, Any]:
    """A condition whose ControlNets see the hint pictures of these frames.

    Fewer pictures than frames are taken in turn, as the host does.
    """
    if frames is None or cond.get("control") is None:
        return cond
    return {**cond, "control": _control_at(cond["control"], frames)}


def _control_at(control: comfy.controlnet.ControlBase, frames: Sequence[int]) -> comfy.controlnet.ControlBase:
    cut = copy.copy(control)
    hint: Any = cut.cond_hint_original
    if hint is not None and hint.shape[0] > 1:
        cut.cond_hint_original = hint[[frame % hint.shape[0] for frame in frames]]
        cut.cond_hint = None
    if cut.previous_controlnet is not None:
        cut.previous_controlnet = _control_at(cut.previous_controlnet, frames)
    return cut
