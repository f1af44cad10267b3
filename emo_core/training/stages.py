"""The paper's three training stages as data (paper, sec. 3.4, Training Strategies), and some of our own between."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Stage:
    """What is trained, on what, with which conditions."""

    name: str
    encoders: tuple[str, ...]
    """Encoders that are trained."""
    backbone: tuple[str, ...]
    """Kinds of backbone parameters that are trained: picture, expressions, warp, audio, temporal, speed, mover,
    steering."""
    temporal: bool
    """Whether temporal modules run (and motion frames with them)."""
    audio: bool
    speed: bool
    frames: int
    """Frames per row: clip frames, or single pictures of one identity that share the ReferenceNet's work."""
    rows: int
    """Clips (identities) per batch and process."""
    drop_audio: float = 0.0
    """Part of the rows without audio, for guidance."""
    drop_reference: float = 0.0
    drop_speed: float = 0.0
    """Part of the batches without head speeds."""
    drop_motion: float = 0.0
    """Part of the rows that start without a clip before them (zero maps, as every first clip)."""
    motion_noise: float = 0.0
    """Largest standard deviation of noise on motion latents, so that chains do not drift."""
    elsewhere: float = 0.0
    """Part of the portraits whose face is elsewhere in the picture, in clips that have such."""
    pure_noise: float = 0.15
    """Part of the rows at pure noise, where few-step sampling starts."""
    lip_weight: float = 0.0
    """Extra weight of the loss near the mouth."""
    eye_weight: float = 0.0
    """Extra weight near each eye, where clips know the eyes."""
    even: bool = False
    """Count the error of the clean latents instead of the prediction's, which is ten times as large where little noise
    hides the last details."""
    own_states: float = 0.0
    """Part of the rows whose noisy latents are what the model itself has made of pure noise so far."""
    expression_weight: float = 0.0
    """Weight of how differently the face reads (`expression_reader`), where there is a reader."""
    decoded_weight: float = 0.0
    """Weight of how differently mouth and eyes look once decoded (`decoded_faces`)."""
    shut: float = 0.0
    """How many times more often frames with closed eyes are shown, in clips that know them, beside once for all."""
    told: float = 0.0
    """Part of the rows of clips whose audio tokens are made to tell what the face truly does (`telling`)."""
    posed: int = 0
    """How many of the rows show faces posed at random, whose tokens tell them likewise, in place of clips."""
    placed: bool = False
    """Move the portrait by the true pose of its frames where clips know it, not by what is heard (`poses`)."""
    as_asked: bool = False
    """Tell the clip's mean speed and the region of all its frames, as users ask for them, instead of what the frames
    shown take."""


IMAGE = Stage(
    "image",
    encoders=("reference_net", "face_locator"),
    backbone=("picture",),
    temporal=False,
    audio=False,
    speed=False,
    frames=3,
    rows=8,
    drop_reference=0.05,
)
MOVING = Stage(
    "moving",
    encoders=(),
    backbone=("mover",),
    temporal=False,
    audio=False,
    speed=False,
    frames=8,
    rows=18,
    eye_weight=3.0,
    placed=True,
)
"""Not in the paper: the mover's ways alone (`moving_task`), before anything that draws depends on them."""
TURNING = Stage(
    "turning",
    encoders=("mover_projection",),
    backbone=("steering",),
    temporal=False,
    audio=True,
    speed=True,
    frames=8,
    rows=32,
    drop_audio=0.05,
    drop_speed=0.1,
)
"""Not in the paper: what steers the mover (`turning_task`), by far more sounds than there are clips."""
LISTENING = Stage(
    "listening",
    encoders=("audio_projection",),
    backbone=(),
    temporal=False,
    audio=True,
    speed=False,
    frames=8,
    rows=32,
)
"""Not in the paper: the audio projection alone (`listening_task`), so that its tokens tell of brows and lids too."""
WARPING = Stage(
    "warping",
    encoders=(),
    backbone=("warp",),
    temporal=False,
    audio=False,
    speed=False,
    frames=4,
    rows=5,
    decoded_weight=0.3,
)
"""Not in the paper: how latents are moved by parts of a cell (`warping_task`), before anything that draws sees them."""
EXPRESSING = Stage(
    "expressing",
    encoders=(),
    backbone=("expressions",),
    temporal=False,
    audio=True,
    speed=False,
    frames=6,
    rows=10,
    posed=10,
    lip_weight=6.0,
    eye_weight=8.0,
    expression_weight=0.7,
    decoded_weight=3.0,
)
"""Not in the paper: how portraits change with what is told (`expressing_task`), before anything is drawn.

Of what changes in the latents of posed faces, lids make half, and how wide or round a mouth is a sixtieth each: without
a reader that counts them alike, widths came out two thirds as far as in true pictures after eight thousand steps."""
HEARING = Stage(
    "hearing",
    encoders=("reference_net", "face_locator", "audio_projection"),
    backbone=("picture", "audio"),
    temporal=False,
    audio=True,
    speed=False,
    frames=3,
    rows=8,
    drop_audio=0.1,
    drop_reference=0.05,
    lip_weight=3.0,
    eye_weight=1.5,
)
"""Not in the paper, whose networks begin with Stable Diffusion's weights: single pictures that hear their moment of
the sound. A step of two processes shows sixteen people, where one of clips shows four."""
TINY_HEARING = dataclasses.replace(
    HEARING,
    encoders=("reference_net", "face_locator"),
    speed=True,
    posed=4,
    told=0.5,
    lip_weight=6.0,
    eye_weight=8.0,
    drop_speed=0.1,
    elsewhere=0.1,
    pure_noise=0.5,
    even=True,
    own_states=0.3,
    expression_weight=0.25,
    decoded_weight=1.5,
    shut=1.0,
    placed=True,
    as_asked=True,
)
"""The same for emo-tiny, whose clips are rendered and know the places of mouth and eyes.

Audio tokens stay as they are, or they would no longer tell what posed faces need. So do the mover and what it is told:
what drawing asks of them undid most of what they had learned within 300 steps (docs/emo_tiny_history.md)."""
GOING_ON = {TINY_HEARING.name: dataclasses.replace(TINY_HEARING, encoders=())}
"""Stages that train less where a finished emo-tiny goes on. ReferenceNet and Face Locator stay bit for bit as they are,
so that a repository that holds both files stays small; their part in so few steps was not measured."""
VIDEO = Stage(
    "video",
    encoders=("reference_net", "face_locator", "audio_projection"),
    backbone=("picture", "audio", "temporal"),
    temporal=True,
    audio=True,
    speed=False,
    frames=12,
    rows=2,
    drop_audio=0.1,
    drop_reference=0.05,
    drop_motion=0.15,
    motion_noise=0.12,
)
TINY_VIDEO = dataclasses.replace(
    VIDEO,
    encoders=(),
    backbone=("temporal", "speed"),
    speed=True,
    told=1.0,
    drop_speed=0.1,
    drop_motion=0.3,
    motion_noise=0.3,
    lip_weight=6.0,
    eye_weight=8.0,
    elsewhere=0.1,
    pure_noise=0.5,
    even=True,
    expression_weight=0.25,
    decoded_weight=1.5,
    own_states=0.3,
    shut=1.0,
    placed=True,
    as_asked=True,
)
"""The video stage of emo-tiny: it learns head speeds as well. The paper keeps sound out while it does, as people who
speak up move more; in rendered clips the speed is drawn whatever is said (`synthetic.behaviour`).

Layers over time alone, all told the truth: trained along, what draws lost brows and widths within 100 steps, as in
speech all of a face goes together (docs/emo_tiny_history.md). Half of the rows have no true frames before them: with
them in 85 % of the rows a small network copied those and hardly looked at the portrait, which is all that the first
clip of a video has."""
SPEED = Stage(
    "speed",
    encoders=("speed_encoder",),
    backbone=("temporal", "speed"),
    temporal=True,
    audio=False,
    speed=True,
    frames=12,
    rows=2,
    drop_motion=0.15,
    motion_noise=0.12,
)
TINY_SPEED = dataclasses.replace(SPEED, encoders=(), pure_noise=0.25, even=True, as_asked=True)
"""The same for emo-tiny, whose mover has learned from the embedding of speeds as it is."""
STAGES = (IMAGE, MOVING, TURNING, LISTENING, WARPING, EXPRESSING, HEARING, VIDEO, SPEED)


STEERING = ("audio_proj", "speed_proj", "control1", "control2", "amounts")
"""The mover's layers that sound and speed go through."""


def kind(name: str) -> str:
    """Which part of the paper's network a parameter of `Emo` belongs to, or ours."""
    if ".mover." in name:
        return "steering" if name.split(".mover.")[1].split(".")[0] in STEERING else "mover"
    if ".expressions." in name:
        return "expressions"
    if ".warp." in name:
        return "warp"
    if ".speed." in name:
        return "speed"
    if ".motion_modules." in name:
        return "temporal"
    if ".audio_attn." in name or ".audio_norm." in name or ".audio_modules." in name:
        return "audio"
    return "picture"


def is_trained(stage: Stage, name: str) -> bool:
    """Whether a stage trains the parameter `name` of `Emo`."""
    net, part = name.split(".")[:2]
    return part in stage.encoders if net == "encoders" else kind(name) in stage.backbone


def freeze(stage: Stage, model: nn.Module) -> list[str]:
    """Set requires_grad as the stage says; the names of what is trained."""
    trained = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(stage, name))
        if parameter.requires_grad:
            trained.append(name)
    return trained
