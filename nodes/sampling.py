"""From conditioning to the latents of the whole video."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..emo_core.diffusion.shortcuts import Shortcuts
from .host.sampling import (
    SAMPLERS,
    SCHEDULERS,
    SeededNoise,
    emo_model,
    make_guider,
    make_steps,
    sample_clips,
)
from .host.shortcuts import with_shortcuts

CLIP_HINT = "Frames made at once; 0 is what the model was trained for. More need more memory."
KEEP_HINT = (
    "Finished clips go to output/emo_clips: memory does not grow with length, and a run that was killed goes on "
    "where it stopped when the same is queued again. Kept for 7 days, at most 20 GB."
)
LATENT_HINT = "Latents of every frame, for EMO Decode to Video or the stock VAE Decode."


def keep_clips_input() -> io.Boolean.Input:
    """The last widget of both samplers."""
    return io.Boolean.Input("keep_clips", default=True, optional=True, tooltip=KEEP_HINT)


class Sample(io.ComfyNode):
    """Everything a user needs in one node."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_Sample",
            display_name="EMO Sampler",
            category="EMO",
            description="Makes the video's latents clip after clip, any length, with one progress bar.",
            inputs=[
                io.Model.Input("model", tooltip="The MODEL of Load EMO Model, with LoRAs if you like."),
                io.Conditioning.Input("full", tooltip="Portrait, sound, region and speed."),
                io.Conditioning.Input("reference_only", tooltip="The same without the sound."),
                io.Conditioning.Input("none", tooltip="Neither portrait nor sound."),
                io.Latent.Input("latent", tooltip="Empty, or a video to start from with denoise below 1."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63,
                    control_after_generate=True,
                    tooltip="The same seed gives the same video.",
                ),
                io.Int.Input(
                    "steps",
                    default=2,
                    min=1,
                    max=1000,
                    tooltip="Denoising steps per clip. More take longer and give finer pictures.",
                ),
                io.Float.Input(
                    "cfg",
                    default=1.0,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How strictly the portrait is kept. 1 is off; high values overdo contrast.",
                ),
                io.Float.Input(
                    "audio_cfg",
                    default=1.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How strongly the sound moves the face. 0 ignores it. "
                    "The same value as cfg is the fastest.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=SAMPLERS,
                    default="euler",
                    tooltip="ComfyUI's samplers. emo_ddim steps exactly as the published code of Hallo, EchoMimic "
                    "and V-Express does, and takes no notice of the scheduler.",
                ),
                io.Combo.Input(
                    "scheduler", options=SCHEDULERS, default="simple", tooltip="How the steps are spaced."
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="1 makes a new video; less keeps more of the latent that came in.",
                ),
                io.Int.Input("clip_frames", default=0, min=0, max=1024, tooltip=CLIP_HINT),
                keep_clips_input(),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip=LATENT_HINT)],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        full: Any,
        reference_only: Any,
        none: Any,
        latent: dict[str, Any],
        seed: int,
        steps: int,
        cfg: float,
        audio_cfg: float,
        sampler_name: str,
        scheduler: str,
        denoise: float,
        clip_frames: int,
        keep_clips: bool = True,
    ) -> io.NodeOutput:
        guider = make_guider(model, full, reference_only, none, cfg, audio_cfg)
        sampler, sigmas = make_steps(model, sampler_name, scheduler, steps, denoise)
        node_id = cls.hidden.unique_id
        noise = SeededNoise(seed)
        made = sample_clips(guider, noise, sampler, sigmas, latent, clip_frames, node_id, keep_clips)
        return io.NodeOutput(made)


class SampleClips(io.ComfyNode):
    """For those who choose guider, sampler, sigmas and noise themselves."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_SampleClips",
            display_name="EMO Sampler (Custom)",
            category="EMO",
            description="Like SamplerCustomAdvanced, clip after clip: any guider, sampler and sigmas.",
            inputs=[
                io.Noise.Input("noise", tooltip="Each clip raises its seed by one."),
                io.Guider.Input("guider", tooltip="Any guider whose conditionings come from EMO Condition."),
                io.Sampler.Input("sampler", tooltip="Any of ComfyUI's samplers."),
                io.Sigmas.Input("sigmas", tooltip="Noise levels, the same for every clip."),
                io.Latent.Input("latent", tooltip="Empty, or a video to start from."),
                io.Int.Input("clip_frames", default=0, min=0, max=1024, tooltip=CLIP_HINT),
                keep_clips_input(),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip=LATENT_HINT)],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        noise: Any,
        guider: Any,
        sampler: Any,
        sigmas: Tensor,
        latent: dict[str, Any],
        clip_frames: int,
        keep_clips: bool = True,
    ) -> io.NodeOutput:
        node_id = cls.hidden.unique_id
        made = sample_clips(guider, noise, sampler, sigmas, latent, clip_frames, node_id, keep_clips)
        return io.NodeOutput(made)


class Faster(io.ComfyNode):
    """Less work at some steps, for a result that is nearly the same."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_Faster",
            display_name="EMO Faster, Less Exact",
            category="EMO",
            description="Lets a MODEL leave out work at some steps, for EMO Sampler and every other sampler. As set, "
            "nothing is left out and the result is exact.",
            inputs=[
                io.Model.Input("model", tooltip="The MODEL of Load EMO Model."),
                io.Int.Input(
                    "deep_every",
                    default=1,
                    min=1,
                    max=20,
                    tooltip="The deep layers run at every n-th step only; between, what they made is used again. 1 is "
                    "exact. 2 changes little; more costs detail and lip movement, and matters less for time.",
                ),
                io.Float.Input(
                    "guided_share",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the steps, from the first, with guidance. 1 is exact. Less is faster and costs "
                    "contrast, likeness and lip movement; 0 is the same as cfg and audio_cfg 1.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For EMO Sampler or any other sampler.")],
        )

    @classmethod
    def execute(cls, model: Any, deep_every: int, guided_share: float) -> io.NodeOutput:
        emo_model(model)
        return io.NodeOutput(with_shortcuts(model, Shortcuts(deep_every, guided_share)))
