"""Videos made as a whole in a family's overlapping windows, under any sampler and guider of the host.

The host asks a MODEL's `context_handler` for the predictions of all frames; ours takes the family's windows.
"""

from __future__ import annotations

from typing import Any

import comfy.context_windows
import comfy.model_management as mm
import comfy.model_patcher
import torch
from torch import Tensor

from ...emo_core.config import EmoConfig
from ...emo_core.diffusion.long_video import Window, plan_windows, shifted
from .shortcuts import step_number
from .windows import CalcCondBatch

HANDLER = "context_handler"
"""Where the host looks for it among a MODEL's options."""


class FamilyWindows(comfy.context_windows.ContextHandlerABC):
    """The windows of one family: their length, overlap, and how they move from step to step."""

    dim = 0

    def __init__(self, config: EmoConfig) -> None:
        super().__init__()
        self.plan = config.long_video
        self.context_length = config.temporal.clip_frames

    def should_use_context(self, *_: Any) -> bool:
        """Always: even a single window has its frames turned from step to step (EchoMimic)."""
        return True

    def get_resized_cond(
        self, cond_in: list[dict[str, Any]], x_in: Tensor, window: Window, device: Any = None
    ) -> list[dict[str, Any]]:
        """The conditions with those of their tensors cut that have one row per frame, such as masks.

        Our features and ControlNet hints are cut elsewhere, as for the host's own windows.
        """

        def cut(value: Any) -> Any:
            per_frame = isinstance(value, Tensor) and value.ndim > 1 and value.shape[0] == x_in.shape[0]
            return value[torch.tensor(window, device=value.device)] if per_frame else value

        return [{key: cut(value) for key, value in cond.items()} for cond in cond_in]

    def execute(
        self,
        calc_cond_batch: CalcCondBatch,
        model: Any,
        conds: list[Any],
        x_in: Tensor,
        timestep: Tensor,
        model_options: dict[str, Any],
    ) -> list[Tensor]:
        """One prediction [F, C, h, w] for each condition: the mean of the windows that have a frame."""
        frames, options = x_in.shape[0], model_options["transformer_options"]
        step = step_number(timestep, options["sample_sigmas"])
        windows = shifted(plan_windows(frames, self.context_length, self.plan), step, frames, self.plan)
        totals = [torch.zeros_like(x_in) for _ in conds]
        counts = x_in.new_zeros(frames, 1, 1, 1)
        for window in windows:
            mm.throw_exception_if_processing_interrupted()
            index = torch.tensor(window, device=x_in.device)
            seen = [cond and self.get_resized_cond(cond, x_in, window) for cond in conds]
            shown = comfy.context_windows.IndexListContextWindow(list(window))
            in_window = {**model_options, "transformer_options": {**options, "context_window": shown}}
            parts = calc_cond_batch(model, seen, x_in[index], timestep, in_window)
            for total, part in zip(totals, parts, strict=True):
                total[index] += part
            counts[index] += 1
        return [total / counts for total in totals]


def work_in_windows(handle: comfy.model_patcher.ModelPatcher, config: EmoConfig) -> None:
    """Give a MODEL its family's windows; nothing for families that work in clips."""
    if config.long_video.mode != "windows":
        return
    options: dict[str, Any] = handle.model_options
    options[HANDLER] = FamilyWindows(config)
    # the host counts memory for one window, not for the whole video
    comfy.context_windows.create_prepare_sampling_wrapper(handle)
