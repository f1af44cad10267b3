"""The backbone as a MODEL: whatever samples a Stable Diffusion model samples ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management as mm
import comfy.model_patcher
import comfy.patcher_extension
import comfy.supported_models_base
import torch
from torch import Tensor

from ...emo_core.checkpoints.load import fill
from ...emo_core.config import EmoConfig, ScheduleConfig, VaeConfig
from ...emo_core.diffusion.schedule import Schedule
from ...emo_core.models.backbone import Backbone
from ...emo_core.modules.conditions import Features
from .hooks import HostHooks, stock_places
from .layers import SUPPORTED_DTYPES, Precision, host_backend
from .managed import patcher
from .memory import backbone_bytes
from .shortcuts import deep_pass
from .windows import use_frame_windows, window_frames

PAYLOAD = "emo"
"""Under this key every CONDITIONING entry of ours carries its `Features`."""

LEAST_SIGNAL = 4.8973451890853435e-08
"""What the host leaves of the signal at the last step of a zero-SNR schedule: none cannot be divided by."""


class HostBackbone(Backbone):
    """The backbone as the host calls it. Parameter names stay those of `Backbone`."""

    def __init__(self, config: EmoConfig, precision: Precision, **_: object) -> None:
        super().__init__(config, backend=host_backend(precision, "meta"))
        self.emo = config
        self.dtype = precision.weights
        self.places = stock_places(config.unet)

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        control: Any = None,
        transformer_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Prediction [R*F, 4, h, w] for R clips of F frames; `PAYLOAD` is a list of one Features per clip."""
        options = transformer_options or {}
        # EasyCache and others hook in here; they want the options as the last positional argument
        return comfy.patcher_extension.WrapperExecutor.new_class_executor(
            self._forward,
            self,
            comfy.patcher_extension.get_all_wrappers(
                comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, options
            ),
        ).execute(x, timesteps, context, control, options, **kwargs)

    def _forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None,
        control: Any,
        transformer_options: dict[str, Any],
        **kwargs: Any,
    ) -> Tensor:
        features = kwargs.get(PAYLOAD)
        if not features:
            raise ValueError("this MODEL got a CONDITIONING without EMO features: connect EMO Condition")
        frames = x.shape[0] // len(features)
        self._check_length(frames, features)
        in_window = window_frames(transformer_options, frames)
        if in_window is not None:
            features = [move(row.at(in_window), x.device, x.dtype) for row in features]
        hooks = HostHooks(self.config, self.places, x, control, transformer_options)
        deep = deep_pass(transformer_options, len(features), in_window or range(frames))
        return super().forward(x, timesteps[::frames], features, hooks=hooks, deep=deep)

    def _check_length(self, frames: int, features: list[Features]) -> None:
        temporal = self.emo.temporal
        motion = temporal.motion_frames if any(row.motion is not None for row in features) else 0
        if frames + motion > temporal.positions:
            raise ValueError(
                f"{frames} frames at once and {motion} motion frames are more than the {temporal.positions} this "
                f"model can count: use EMO Sampler, or Context Windows of at most {temporal.positions - motion}"
            )


class FeaturesCond(comfy.conds.CONDRegular):
    """Features on their way to the network: never repeated over frames, one payload per clip of the batch."""

    def process_cond(self, batch_size: int, **_: object) -> FeaturesCond:
        return self._copy_with(self.cond)

    def can_concat(self, other: FeaturesCond) -> bool:
        return True

    def concat(self, others: list[FeaturesCond]) -> list[Features]:
        return [self.cond, *(other.cond for other in others)]

    def size(self) -> list[int]:
        return [motion_frames(self.cond)]


class EmoBaseModel(comfy.model_base.BaseModel):
    """What the host's samplers see."""

    def __init__(self, config: EmoModelConfig) -> None:
        kinds = comfy.model_base.ModelType
        kind = kinds.V_PREDICTION if config.emo.schedule.prediction == "v" else kinds.EPS
        super().__init__(config, kind, device="meta", unet_model=HostBackbone)  # pyright: ignore[reportArgumentType]
        self.emo_config = config.emo
        # our own schedule, so that the host's samplers make what `generate` makes
        signal = Schedule.create(config.emo.schedule).alpha_bar.clamp(min=LEAST_SIGNAL)
        self.model_sampling.set_sigmas(((1 - signal) / signal).sqrt())  # pyright: ignore[reportCallIssue]

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """Add our features, on the device for all steps."""
        conds = super().extra_conds(**kwargs)
        features = kwargs.get(PAYLOAD)
        if features is not None:
            dtype = self.manual_cast_dtype or self.get_dtype()
            rest = move(dataclasses.replace(features, audio=None), kwargs["device"], dtype)
            # the sound of a video that is made as a whole comes to the device window by window
            whole = self.emo_config.long_video.mode == "windows"
            audio = features.audio if whole else move(features.audio, kwargs["device"], dtype)
            conds[PAYLOAD] = FeaturesCond(dataclasses.replace(rest, audio=audio))
        return conds

    def extra_conds_shapes(self, **kwargs: Any) -> dict[str, Any]:
        """What the estimate of memory must know of one condition: its motion frames."""
        features = kwargs.get(PAYLOAD)
        return {} if features is None else {PAYLOAD: [motion_frames(features)]}

    def memory_required(
        self, input_shape: Sequence[int], cond_shapes: Mapping[str, Any] | None = None
    ) -> float:
        """Bytes of a pass over latents of this shape, for conditions of the sizes that `FeaturesCond` has."""
        sizes = (cond_shapes or {}).get(PAYLOAD) or [[self.emo_config.temporal.motion_frames]]
        motion = [frames for size in sizes for frames in size]
        dtype = self.manual_cast_dtype or self.get_dtype()
        return backbone_bytes(self.emo_config.unet, tuple(input_shape), motion, dtype)


class EmoModelConfig(comfy.supported_models_base.BASE):
    """The host's description of one of our networks."""

    unet_config: dict[str, Any] = {}  # noqa: RUF012 (the base class copies it for each instance)
    unet_extra_config: dict[str, Any] = {}  # noqa: RUF012 (else the host adds settings of its own UNet)
    supported_inference_dtypes = SUPPORTED_DTYPES

    def __init__(self, config: EmoConfig, precision: Precision) -> None:
        self.emo = config
        width = config.unet.channels[0]
        super().__init__({"config": config, "precision": precision, "model_channels": width})
        self.manual_cast_dtype = precision.cast
        self.sampling_settings = sampling_settings(config.schedule)
        self.latent_format.scale_factor = config.vae.scaling
        self.latent_format.latent_channels = config.unet.latent_channels
        if config.vae != VaeConfig():  # other latents than Stable Diffusion's: other colours, no TAESD
            self.latent_format.latent_rgb_factors = None
            self.latent_format.taesd_decoder_name = None

    latent_format = comfy.latent_formats.SD15


def sampling_settings(schedule: ScheduleConfig) -> dict[str, Any]:
    """The schedule in the host's words, for nodes that make a new one (ModelSamplingDiscrete, LCM)."""
    return {
        # what diffusers calls scaled_linear the host calls linear, and what it calls linear sqrt_linear
        "beta_schedule": "linear" if schedule.betas == "scaled_linear" else "sqrt_linear",
        "linear_start": schedule.beta_start,
        "linear_end": schedule.beta_end,
        "zsnr": schedule.zero_snr,
    }


def build_model(
    config: EmoConfig,
    state: Mapping[str, Tensor],
    weight_dtype: torch.dtype | None = None,
) -> comfy.model_patcher.ModelPatcher:
    """A MODEL from the backbone's weights; CheckpointError if a tensor is missing or does not fit."""
    precision = Precision.choose(state, weight_dtype)
    model = EmoBaseModel(EmoModelConfig(config, precision))
    fill(model.diffusion_model, precision.convert(state), "backbone")
    model.device = mm.unet_offload_device()
    handle = patcher(model)
    use_frame_windows(handle)
    return handle


def motion_frames(features: Features) -> int:
    """How many motion frames a clip sees."""
    return len(next(iter(features.motion.values()))) if features.motion else 0


def move(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """`value` with every tensor inside it, in features, maps and tuples too, on `device` in `dtype`."""
    if isinstance(value, Tensor):
        return value.to(device, dtype)
    if isinstance(value, Mapping):
        return {key: move(item, device, dtype) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(move(item, device, dtype) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return dataclasses.replace(value, **{name: move(item, device, dtype) for name, item in fields})
    return value
