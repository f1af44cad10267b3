"""Approximations that a user asks for, on our MODEL under any sampler and guider of the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.model_management as mm
import comfy.model_patcher
import comfy.patcher_extension
from torch import Tensor

from ...emo_core.diffusion.shortcuts import Shortcuts
from ...emo_core.modules.conditions import Features
from ...emo_core.modules.deep import DeepFeatures, DeepPass

KEY = "emo_shortcuts"
"""Under this key a sampling's `Run` is among the transformer options."""
KINDS = comfy.patcher_extension.WrappersMP


@dataclass(frozen=True)
class Run:
    """The shortcuts of one sampling, and what its deep layers made. It ends with the sampling."""

    shortcuts: Shortcuts
    deep: DeepFeatures


def with_shortcuts(
    handle: comfy.model_patcher.ModelPatcher, shortcuts: Shortcuts
) -> comfy.model_patcher.ModelPatcher:
    """A MODEL that takes these shortcuts, in place of those that it took."""
    patched = handle.clone()
    for kind, wrapper in ((KINDS.OUTER_SAMPLE, partial(_sample, shortcuts)), (KINDS.CALC_COND_BATCH, _predict)):
        patched.remove_wrappers_with_key(kind, KEY)
        if shortcuts != Shortcuts():
            patched.add_wrapper_with_key(kind, KEY, wrapper)
    return patched


def deep_pass(options: dict[str, Any], rows: int, frames: Sequence[int]) -> DeepPass | None:
    """What deep layers made for the rows and frames of a pass; None if they run at every step."""
    run: Run | None = options.get(KEY)
    if run is None or run.shortcuts.deep_every == 1:
        return None
    fresh = run.shortcuts.deep(step_number(options["sigmas"], options["sample_sigmas"]))
    return run.deep.at(options.get("uuids") or range(rows), frames, fresh=fresh)


def step_number(timestep: Tensor, sigmas: Tensor) -> int:
    """The number of the step: samplers that look between two steps count as at the step before."""
    return max(0, int((sigmas[:-1].to(timestep) >= timestep.max() * (1 - 1e-4)).sum()) - 1)


def _sample(shortcuts: Shortcuts, executor: Any, *args: Any, **kwargs: Any) -> Tensor:
    """One sampling with a memory of its own; the guider is cached and stays as it was."""
    guider = executor.class_obj
    original = guider.model_options
    guider.model_options = comfy.model_patcher.create_model_options_clone(original)
    run = Run(shortcuts, DeepFeatures(mm.intermediate_device()))
    guider.model_options["transformer_options"][KEY] = run
    try:
        return executor(*args, **kwargs)
    finally:
        guider.model_options = original


def _predict(
    executor: Callable[..., list[Tensor]],
    model: Any,
    conds: list[Any],
    x: Tensor,
    timestep: Tensor,
    options: dict[str, Any],
) -> list[Tensor]:
    """The predictions of all conditions; at a step without guidance that of the fullest, for all of them."""
    inner = options["transformer_options"]
    run: Run | None = inner.get(KEY)
    if run is None or run.shortcuts.guided_share == 1 or sum(cond is not None for cond in conds) < 2:
        return executor(model, conds, x, timestep, options)
    sigmas = inner["sample_sigmas"]
    if run.shortcuts.guided(step_number(timestep, sigmas), len(sigmas) - 1):
        return executor(model, conds, x, timestep, options)
    fullest = max(range(len(conds)), key=lambda index: _conditions(conds[index]))
    alone = [cond if index == fullest else None for index, cond in enumerate(conds)]
    # weights of guidance add up to one: the same prediction everywhere is the unguided one
    return [executor(model, alone, x, timestep, options)[fullest]] * len(conds)


def _conditions(cond: list[dict[str, Any]] | None) -> int:
    """How much a condition tells of portrait and sound; -1 for none."""
    values = [value.cond for entry in cond or () for value in entry["model_conds"].values()]
    features = [value for value in values if isinstance(value, Features)]
    return max([(row.reference is not None) + (row.audio is not None) for row in features], default=-1)
