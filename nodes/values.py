"""What the encoding nodes make of their inputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..emo_core.audio.rules import video_length
from ..emo_core.face.landmarks import Landmarks, parse_points
from ..emo_core.face.locator_input import FaceMarks, locator_input
from ..emo_core.face.placing import placed
from ..emo_core.face.regions import box_around, middle_box
from ..emo_core.face.speed_curve import speed_curve, speeds_of
from ..emo_core.media.pictures import curve_panel, outline, region_panel, stack, waveform_panel
from ..emo_core.media.video import Sound
from ..emo_core.models.guidance_rows import guidance_rows
from ..emo_core.modules.conditions import Features
from ..emo_core.provenance.statement import Statement, digest
from .convert import as_picture, checked_fps, checked_speed, empty_latent, region_from_mask
from .host import encode
from .host.model import PAYLOAD
from .host.motion import START, ClipStart
from .types import (
    AudioValue,
    EncodersValue,
    FaceRegionValue,
    MovableValue,
    ReferenceValue,
    SpeedValue,
    StrengthsValue,
)

TEXT_WIDTH = 768  # of the tensor that stock nodes expect in a CONDITIONING; ours is empty
STATEMENT = "emo_statement"
"""Under this key a LATENT carries what its video will say about itself; stock samplers keep it."""
MEDIAN = "emo_median"
"""Says in a LATENT that its finished video wants the median filter (V-Express)."""
PANEL = (768, 96)  # px, of a waveform or curve
PORTRAIT_SIDE = 384  # px


def reference_of(
    encoders: EncodersValue, vae: Any, portrait: Tensor, embedding: Tensor | None = None
) -> ReferenceValue:
    """EMO_REFERENCE of a portrait [1, S, S, 3] and, for families that want to know it, who the face is [E]."""
    networks = encoders.networks
    context, without = (encode.encode_context(networks, known) for known in (embedding, None))
    latents, pair = encode.encode_portrait(networks, vae, as_picture(portrait), context, without)
    return ReferenceValue(
        tokens=pair.reference,
        motion=pair.motion,
        motion_without=pair.motion_without,
        context=context,
        context_without=without,
        portrait=portrait[0],
        latents=latents,
        config=encoders.config,
        family=encoders.family,
        movable=_movable(encoders, vae, portrait, embedding),
    )


def _movable(
    encoders: EncodersValue, vae: Any, portrait: Tensor, embedding: Tensor | None
) -> MovableValue | None:
    if encoders.head_finder is None:
        return None
    head = encode.find_head(encoders.head_finder, as_picture(portrait))
    return MovableValue(head, encoders, vae, embedding)


def portrait_in(reference: ReferenceValue, region: FaceRegionValue | None) -> Tensor:
    """The portrait [S, S, 3] with its head in the region; the same tensor where nothing moves it."""
    if reference.movable is None or region is None or region.painted is None:
        return reference.portrait
    return placed(reference.portrait, reference.movable.head, region.painted * reference.portrait.shape[0])


def reference_in(reference: ReferenceValue, region: FaceRegionValue | None) -> ReferenceValue:
    """EMO_REFERENCE of the portrait with its head in the region: encoded again if that moves it."""
    portrait, movable = portrait_in(reference, region), reference.movable
    if movable is None or portrait is reference.portrait:
        return reference
    return reference_of(
        dataclasses.replace(movable.encoders, head_finder=None), movable.vae, portrait[None], movable.embedding
    )


def audio_of(encoders: EncodersValue, sound: Sound, heard: Sound, fps: float | None) -> AudioValue:
    """EMO_AUDIO of `heard`, as long as `sound` lasts; fps None is the model's own."""
    config = encoders.config
    frames, fps = video_length(config, sound.seconds, None if fps is None else checked_fps(fps))
    tokens = encode.encode_audio(config, encoders.audio, encoders.networks, heard, frames, fps)
    return AudioValue(tokens, fps, sound, frames)


def region_of(
    encoders: EncodersValue,
    mask: Tensor | None,
    size: int,
    margin: float,
    lips: Tensor | None = None,
    landmarks: Any = None,
    key_points: str = "",
) -> FaceRegionValue:
    """EMO_FACE_REGION: the box around a mask with a margin, or a found face, or the middle of the picture."""
    found = None if landmarks is None else Landmarks.read(landmarks).in_square(size)
    points = parse_points(key_points)
    marks = FaceMarks(
        face=box_around(region_from_mask(mask, size))
        if mask is not None
        else middle_box(size)
        if found is None
        else found.face_box(),
        lips=box_around(region_from_mask(lips, size))
        if lips is not None
        else None
        if found is None
        else found.lips_box(),
        points=points * size if points is not None else None if found is None else found.eyes_and_nose(),
    )
    located = locator_input(encoders.config, marks, size, margin)
    painted = None if mask is None else marks.face[0] / size
    features = encode.encode_face(encoders.networks, located.picture)
    return FaceRegionValue(features, located.mask, located.regions, painted)


def speed_of(
    encoders: EncodersValue, speed: float, frames: int, fps: float, curve: str, speeds: Any = None
) -> SpeedValue:
    """EMO_SPEED: one speed for all frames, a curve, or a list of numbers, which goes before both."""
    if speeds is not None:
        degrees = speeds_of(speeds, frames)
    elif curve.strip():
        degrees = speed_curve(curve, frames, checked_fps(fps))
    else:
        degrees = torch.tensor([checked_speed(speed)])
    return SpeedValue(encode.encode_speed(encoders.networks, degrees), degrees)


def conditionings(
    reference: ReferenceValue,
    audio: AudioValue,
    region: FaceRegionValue | None,
    speed: SpeedValue | None,
    strengths: StrengthsValue | None = None,
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """CONDITIONING with everything, without the sound, without sound and portrait; and an empty LATENT."""
    size, config = reference.portrait.shape[0], reference.config
    made = Statement(reference.family, digest(reference.portrait), digest(audio.sound.samples))
    reference = reference_in(reference, region)
    full = Features(
        reference=reference.tokens,
        motion=reference.motion,
        context=reference.context,
        audio=audio.tokens,
        face=None if region is None else matching_region(region, size),
        speed=None if speed is None else matching_speed(speed, audio.frames),
        regions=None if region is None else region.regions,
    )
    if strengths is not None:
        full = strengths.of(full)
    rows = guidance_rows(config, full, reference.context_without, reference.motion_without)
    start = ClipStart(
        portrait=as_picture(reference.portrait[None]),
        face=None if region is None else region.mask,
        context=reference.context,
        context_without=reference.context_without,
        guided=True,
    )
    text = torch.zeros(1, 1, TEXT_WIDTH)
    entries = ((rows.full, start), (rows.silent, start), (rows.none, dataclasses.replace(start, guided=False)))
    everything, no_sound, neither = ([[text, {PAYLOAD: row, START: begin}]] for row, begin in entries)
    latent = {**empty_latent(audio.frames, config.unet.latent_channels, size // config.vae.cell), STATEMENT: made}
    if config.long_video.median_filter:
        latent[MEDIAN] = True
    return everything, no_sound, neither, latent


def matching_region(region: FaceRegionValue, size: int) -> Tensor:
    """The region's features; ValueError if they are made for another size than the portrait's."""
    if region.mask.shape[0] != size:
        raise ValueError(
            f"the face region is made for {region.mask.shape[0]} pixels and the portrait for {size}: "
            "give both nodes the same size"
        )
    return region.features


def matching_speed(speed: SpeedValue, frames: int) -> Tensor:
    """The speed of every frame [F, D]; ValueError if a curve has another length than the sound."""
    if len(speed.embedding) not in (1, frames):
        raise ValueError(
            f"the speed curve has {len(speed.embedding)} frames and the sound {frames}: "
            "connect the frames of EMO Encode Audio to EMO Encode Head Speed"
        )
    return speed.embedding.expand(frames, -1)


def inspection(
    reference: ReferenceValue | None,
    audio: AudioValue | None,
    region: FaceRegionValue | None,
    speed: SpeedValue | None,
    clip_frames: int,
) -> Image.Image:
    """A drawing of whatever is connected; ValueError if nothing is."""
    panels = []
    if reference is not None or region is not None:
        panels.append(_face(reference, region))
    if audio is not None:
        seconds = audio.frames / audio.fps
        joins = [frame / audio.fps for frame in range(clip_frames, audio.frames, clip_frames)]
        panels.append(waveform_panel(outline(audio.sound, PANEL[0]), seconds, PANEL, joins))
    if speed is not None:
        panels.append(curve_panel(speed.degrees.numpy(), "degrees per frame", PANEL))
    if not panels:
        raise ValueError("there is nothing to draw: connect a portrait, a sound, a region or a speed")
    return stack(panels, PANEL[0])


def _face(reference: ReferenceValue | None, region: FaceRegionValue | None) -> Image.Image:
    """The portrait (grey if there is none) with the region (empty if there is none)."""
    size = reference.portrait.shape[0] if reference is not None else region.mask.shape[0] if region else 0
    portrait = np.full((size, size, 3), 0.5) if reference is None else portrait_in(reference, region).numpy()
    mask = np.zeros((size, size)) if region is None else region.mask.numpy()
    return region_panel(portrait, mask).resize((PORTRAIT_SIDE, PORTRAIT_SIDE))
