"""Frozen, checked descriptions of every network and of how it is run. The defaults are the paper's EMO.

Where the paper is silent the value is ours; `docs/paper_notes.md` lists each with its reason.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class UNetConfig:
    """The Stable Diffusion 1.5 skeleton shared by ReferenceNet and backbone (paper, Foundation)."""

    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    """Width of each resolution level, finest first."""
    attention: tuple[bool, ...] = (True, True, True, False)
    """Levels with spatial transformers."""
    layers_per_block: int = 2
    heads: int = 8
    """Attention heads at every level (their number, not their width)."""
    groups: int = 32
    """Groups of every GroupNorm; they must divide every width."""
    latent_channels: int = 4
    positions: bool = False
    """Add sines and cosines of the pixel's place before each spatial transformer block. Networks trained from
    nothing need them to find the portrait's matching places; Stable Diffusion's weights have learned to do without."""
    position_periods: tuple[float, float] | None = None
    """Shortest and longest period of these sines, in cells of the map. None: 6.3 to some hundred cells, which tells
    neighbours badly apart; the first three emo-tiny files have it."""

    def __post_init__(self) -> None:
        if len(self.attention) != len(self.channels):
            raise ValueError(f"{len(self.channels)} levels need as many attention flags, got {self.attention}")
        for width in self.channels:
            if width % self.groups or width % self.heads:
                raise ValueError(f"width {width} must be divisible by {self.groups} groups and {self.heads} heads")


@dataclass(frozen=True)
class ReferenceConfig:
    """How the portrait's features reach the backbone (paper, sec. 3.2, Backbone and ReferenceNet)."""

    mode: Literal["cross", "concat", "separate"] = "cross"
    """cross: in place of text cross-attention (the paper). concat: more keys and values for self-attention.
    separate: a layer of its own between self- and cross-attention."""
    tap: Literal["before_self_attention", "after_self_attention"] = "after_self_attention"
    """Which tokens of a ReferenceNet block are handed over: the normalised input of its self-attention (norm1),
    or the normalised stream behind it (norm2)."""
    without: Literal["skip", "zeros"] = "skip"
    """What a row without reference does: leave the attention out, or attend to zeros (its output bias)."""
    gain: float = 1.0
    """Factor of the reference attention's output (separate only)."""
    context: Literal["none", "zeros", "tokens"] = "none"
    """What ReferenceNet's own cross-attention gets; none builds no such layer."""
    at_ends: bool = False
    """At the backbone's first convolution the portrait's latents stand beside a linear guess of the clean ones, and its
    output is what changes around them: where, from where in the portrait it comes there, and what is added. It is a
    velocity, so the schedule must predict those; zeros where a row has no portrait. A departure from the paper for
    small networks (emo-tiny), whose few normalised channels do not carry a picture."""
    mover: bool = False
    """A small network moves the portrait to what sound, head speed and face region ask for, before the backbone draws
    (`models.mover`; takes at_ends). A departure from the paper for small networks."""
    expressions: bool = False
    """A small network changes the portrait's mouth, eyes and brows as the sound tells, before the backbone draws
    (`models.expressions`; takes at_ends). A departure from the paper for small networks."""
    warp: bool = False
    """A small network moves the portrait by parts of its latents' cells, instead of mixing them (`models.warp`; takes
    at_ends). A departure from the paper for small networks."""
    half_precision_bank: bool = False
    """Round the features to fp16 before use, as some published code does."""
    mixed_rows: bool = False
    """Portrait and motion frames pass the ReferenceNet with the image tokens of both guidance rows in turn, and
    the frames of a clip see the two rows' portrait tokens in turn, as Hallo's published code does."""


@dataclass(frozen=True)
class AudioConfig:
    """From encoder states to tokens in the backbone (paper, sec. 3.2, Audio Layers)."""

    encoder: Literal["mel_conv", "wav2vec2", "whisper"] = "wav2vec2"
    layers: int = 13
    """Encoder states used per time step, counted from the last; the paper concatenates several blocks."""
    width: int = 768
    """Width of one encoder state."""
    window: int = 5
    """Frames (or encoder rows) seen per video frame, 2m + 1 with m = 2 in the paper."""
    projection: Literal["mlp", "perceiver", "none"] = "mlp"
    hidden: int = 512
    """Hidden width of the MLP."""
    tokens: int = 32
    """Tokens per video frame after the projection."""
    token_width: int = 768
    site: Literal["after_reference", "attn2", "module"] = "after_reference"
    """Where audio attention sits: after the reference attention (the paper), in place of text cross-attention,
    or in modules of its own behind each spatial transformer, with regional masks."""
    gain: float = 1.0
    """Factor of the audio attention's output."""
    perceiver_depth: int = 4
    perceiver_heads: int = 12
    perceiver_head_width: int = 64
    rows: Literal["frames", "encoder_at_frames", "state_rows", "two_per_frame"] = "frames"
    """What a window is made of. frames: states interpolated to video frames. encoder_at_frames: the encoder
    itself runs at the frame rate. state_rows: states as they are. two_per_frame: states stretched to two rows per
    frame, zeros beyond the ends."""
    periods: int = 0
    """Autocorrelations that the encoder hears beside the mels (mel_conv only)."""
    expansion: int = 1
    """Inner width of the encoder's layers, in widths of a state (mel_conv only)."""


@dataclass(frozen=True)
class TemporalConfig:
    """AnimateDiff motion modules and motion frames (paper, sec. 3.2, Temporal Modules)."""

    levels: tuple[bool, ...] = (True, True, True, True)
    """Levels with temporal modules."""
    heads: int = 8
    positions: int = 32
    """Length of the sinusoidal position table; motion frames and clip frames must fit."""
    motion_frames: int = 4
    """n last frames of the clip before, seen through the ReferenceNet; 0 for families without."""
    clip_frames: int = 12
    """f frames generated at once."""


@dataclass(frozen=True)
class FaceLocatorConfig:
    """The weak condition of where the face may be (paper, sec. 3.3, Face Locator)."""

    inputs: int = 1
    """Channels of the mask or key-point picture."""
    channels: tuple[int, ...] = (16, 32, 64, 128)
    target: Literal["latents", "conv_in"] = "latents"
    """Added to the noisy latents (the paper) or to the output of the first convolution."""
    shows: Literal["box", "key_points"] = "box"
    """What the picture is of: the box around the face, or its eyes and nose (V-Express)."""
    guided: bool = False
    """The row without conditions does not see it either."""


@dataclass(frozen=True)
class SpeedConfig:
    """The buckets of head rotation speed (paper, Speed Layers). The paper gives no numbers; these are ours."""

    centers: tuple[float, ...] = (0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4)
    """Bucket centres c_i, degrees per frame."""
    radii: tuple[float, ...] = (0.15,) * 9
    """Bucket radii r_i, degrees per frame, one per centre."""
    window: int = 5
    """Frames seen around each frame (2m + 1 in the paper, m = 2)."""
    width: int = 320
    """Width l of the embedding."""

    def __post_init__(self) -> None:
        if len(self.centers) != len(self.radii):
            raise ValueError(f"{len(self.centers)} centers need as many radii, got {self.radii}")


@dataclass(frozen=True)
class ContextConfig:
    """Image tokens for the text cross-attention (Hallo's face embedding); the paper has none."""

    inputs: int = 512
    """Width of the given embedding."""
    tokens: int = 4
    width: int = 768


@dataclass(frozen=True)
class ScheduleConfig:
    """The noise schedule (paper: DDIM on Stable Diffusion's schedule)."""

    betas: Literal["scaled_linear", "linear"] = "scaled_linear"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    prediction: Literal["epsilon", "v"] = "epsilon"
    zero_snr: bool = False
    """Rescale so that the last step holds no signal."""
    terminal_alpha_bar: float = 0.0
    """With zero_snr: the signal left at the last step. The host keeps 4.8973451890853435e-08."""
    previous: Literal["listed", "divided"] = "listed"
    """DDIM steps to the next listed timestep, or to t - 1000 // steps as diffusers does."""
    noise_clamp: float | None = None
    """Initial noise is clamped to this magnitude."""


@dataclass(frozen=True)
class LongVideoConfig:
    """How any length is made from clips."""

    mode: Literal["chain", "windows"] = "chain"
    """chain: clip after clip over motion frames (the paper). windows: overlapping windows averaged per step."""
    overlap: int = 0
    wrap: bool = False
    """The last window wraps round to the first frames."""
    shift_per_step: int = 0
    """Frames by which all windows move at each denoising step."""
    exact_tiling: bool = False
    """The number of frames is cut to what the windows cover exactly, and fps follows."""
    full_clips: bool = False
    """The last clip is made in full, over silence, and cut."""
    handover: Literal["latents", "pixels"] = "latents"
    """Motion frames are the last latents, or decoded pictures that are encoded again (Hallo)."""
    motion_source: Literal["zeros", "reference"] = "zeros"
    """Motion frames of the first clip: mid-grey pixels (the paper's zero maps) or copies of the portrait."""
    median_filter: bool = False
    """3x3x3 median over the finished video."""
    motion_mask: float = 0.0
    """Share of the pixels outside the face region that are made mid-grey in motion frames (Hallo2)."""


@dataclass(frozen=True)
class VaeConfig:
    """AutoencoderKL in diffusers' terms; the default is Stable Diffusion's."""

    channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    latent_channels: int = 4
    groups: int = 32
    scaling: float = 0.18215
    """Latents in the network are the encoder's mean times this."""

    @property
    def cell(self) -> int:
        """Side in pixels of what one latent stands for."""
        return 2 ** (len(self.channels) - 1)


@dataclass(frozen=True)
class PresetConfig:
    """Settings a user starts from."""

    size: int = 512
    """Pixels of the square picture."""
    fps: float = 30.0
    steps: int = 40
    guidance: float = 3.5
    """Scale from no condition to the portrait."""
    audio_guidance: float = 3.5
    """Scale from the portrait to portrait and audio; equal scales give one combined guidance."""


@dataclass(frozen=True)
class EmoConfig:
    """One checkpoint family: every difference between families is a field here."""

    unet: UNetConfig = field(default_factory=UNetConfig)
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    face_locator: FaceLocatorConfig = field(default_factory=FaceLocatorConfig)
    speed: SpeedConfig | None = field(default_factory=SpeedConfig)
    context: ContextConfig | None = None
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    long_video: LongVideoConfig = field(default_factory=LongVideoConfig)
    vae: VaeConfig = field(default_factory=VaeConfig)
    preset: PresetConfig = field(default_factory=PresetConfig)

    def __post_init__(self) -> None:
        levels = len(self.unet.channels)
        if len(self.temporal.levels) != levels:
            raise ValueError(f"{levels} UNet levels need as many temporal flags, got {self.temporal.levels}")
        frames = self.temporal.motion_frames + self.temporal.clip_frames
        if frames > self.temporal.positions:
            raise ValueError(f"{frames} motion and clip frames exceed the {self.temporal.positions} positions")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> EmoConfig:
        """Inverse of `to_dict`; ValueError names an unknown field, or a value of the wrong kind."""
        try:
            return _from_dict(EmoConfig, data)
        except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
            raise ValueError(f"a value of the model's config is of the wrong kind: {error}") from error


def _from_dict(cls: type, data: Any) -> Any:
    """Rebuild nested frozen dataclasses and tuples from JSON data."""
    if not isinstance(data, dict):
        raise ValueError(f"{cls.__name__} must be a JSON object, got {type(data).__name__}")
    hints = typing.get_type_hints(cls)
    unknown = set(data) - set(hints)
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {sorted(unknown)}; it has {sorted(hints)}")
    return cls(**{name: _value(hints[name], value) for name, value in data.items()})


def _value(hint: Any, value: Any) -> Any:
    kinds = [h for h in typing.get_args(hint) if dataclasses.is_dataclass(h)] or [hint]
    if value is not None and dataclasses.is_dataclass(kinds[0]):
        return _from_dict(typing.cast(type, kinds[0]), value)
    return tuple(value) if isinstance(value, list) else value
