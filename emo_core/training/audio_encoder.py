"""Pretraining of emo-tiny's audio encoder: it learns mouth shapes, voicing, pitch and loudness from synthesised
voices, then stays frozen (deviation from the paper, which takes a published wav2vec)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..audio.mel_conv import MELS, MelConvEncoder, heard, mel_edges, normalise
from ..backend import Backend
from ..checkpoints.files import read_metadata
from ..config import AudioConfig
from .checkpoint import load_state, save_state
from .loop import Loop, LoopPlan
from .synthetic.clip_plan import FORMAT

WEIGHTS = (4.0, 3.0, 2.0, 0.5, 0.5, 0.5, 0.15, 0.15, 0.15, 3.0, 2.0, 0.15)
"""How much each column of `synthetic.corpus.SPEECH_TRACKS` counts: the mouth's and the brows most."""
ENCODER = "audio_encoder.safetensors"
TIMBRE = (8, 11)
"""The columns that follow the sound's colour, roll and brightness: of throats of another length nobody knows them."""
THROATS = (0.7, 1.5)
"""Least and largest factor by which resonances move in `_other_throats`. Children's are 1.4 times those of men, and
voices that are not among the training's differ from them in this most (docs/emo_tiny_history.md)."""


@dataclass(frozen=True)
class AudioPlan:
    """What the encoder learns from, and how."""

    seeds: tuple[int, ...] = (10, 11, 12)
    """A corpus for each, kept in the folder; processes make them side by side."""
    clips: int = 2500
    """In each corpus."""
    held_out: int = 100
    """Clips of the validation split that the result is tried on."""
    seconds: float = 4.0
    singing_share: float = 0.5
    """Sung ones are harder to hear, so there are more of them than in clips."""
    piece: float = 4.0
    """Seconds of a clip that a batch shows: near the ends of a piece nothing is heard of what is beyond."""
    batch: int = 10
    other_throats: float = 0.3
    """Part of the rows whose voice is changed (`_other_throats`)."""
    training: LoopPlan = field(
        default_factory=lambda: LoopPlan(
            14000, 2.5e-3, warmup=50, cooldown=1.0, weight_decay=1e-3, ema=0.998, log_every=100
        )
    )
    seed: int = 0


def corpus(
    folder: Path, plan: AudioPlan, periods: int, split: str, count: int, seed: int
) -> tuple[Tensor, Tensor]:
    """What is `heard` [N, 80 + periods, 2T] in half precision and tracks [N, T, 12] of synthesised clips.

    It is made once per folder; raises ValueError for what was made of another world (`clip_plan.FORMAT`).
    """
    from .synthetic.corpus import speech_corpus

    path = folder / f"corpus-{split}-{seed}.safetensors"
    if not path.is_file():
        sounds, tracks = [], []
        for waveform, track in speech_corpus(
            seed, count, split, seconds=plan.seconds, singing_share=plan.singing_share
        ):
            sounds.append(heard(normalise(torch.from_numpy(waveform))[None], periods)[0].half())
            tracks.append(torch.from_numpy(track))
        save_state(path, {"sounds": torch.stack(sounds), "tracks": torch.stack(tracks)}, {"format": str(FORMAT)})
    made_in = read_metadata(path).get("format", "none")
    if made_in != str(FORMAT):
        raise ValueError(f"{path} has format {made_in}, not {FORMAT}: delete it to make it anew")
    made = load_state(path)
    if made["tracks"].shape[-1] != len(WEIGHTS):
        raise ValueError(
            f"{path} has {made['tracks'].shape[-1]} tracks, needed are {len(WEIGHTS)}: delete it to make it anew"
        )
    return made["sounds"], made["tracks"]


class AudioTask:
    """Tell from what is heard of voices what their faces do, and how the voices sound."""

    def __init__(self, config: AudioConfig, plan: AudioPlan, sounds: Tensor, tracks: Tensor) -> None:
        """sounds [N, 80 + periods, 2T] and tracks [N, T, 12], as `corpus` makes them."""
        torch.manual_seed(plan.seed)
        self.encoder = MelConvEncoder(config, backend=Backend())
        self.head = nn.Linear(config.width * config.layers, len(WEIGHTS))
        self.model = nn.ModuleDict({"encoder": self.encoder, "head": self.head})
        self.plan, self.sounds, self.tracks = plan, sounds, tracks

    def loss(self, generator: torch.Generator) -> Tensor:
        """Weighted mean squared error of a batch."""
        sound, wanted, weight = _batch(self.sounds, self.tracks, self.plan, generator)
        return ((self.told(sound) - wanted).square() * weight).mean()

    def told(self, sound: Tensor) -> Tensor:
        """What is told of sounds [B, 80 + periods, 2T], [B, T, 12]."""
        return self.head(self.encoder.states(sound).flatten(2))

    @torch.inference_mode()
    def correlations(self, sounds: Tensor, tracks: Tensor) -> dict[str, float]:
        """Pearson r of each track over all clips."""
        from .synthetic.corpus import SPEECH_TRACKS

        guess = torch.cat([self.told(sound[None].float()) for sound in sounds]).flatten(0, 1)
        truth = tracks.flatten(0, 1)
        return {
            name: float(np.corrcoef(guess[:, i].numpy(), truth[:, i].numpy())[0, 1])
            for i, name in enumerate(SPEECH_TRACKS)
        }


def make_corpora(config: AudioConfig, plan: AudioPlan, folder: Path, share: slice = slice(None)) -> None:
    """Make what the encoder learns from and is tried on, as far as it is missing; share: which, for one process."""
    wanted = [("train", plan.clips, seed) for seed in plan.seeds] + [("validation", plan.held_out, plan.seed + 1)]
    for split, count, seed in wanted[share]:
        corpus(folder, plan, config.periods, split, count, seed)


def train_audio_encoder(config: AudioConfig, plan: AudioPlan, folder: Path) -> dict[str, float]:
    """Train, save `folder/audio_encoder.safetensors`, return held-out correlations of each track.

    A run that was killed goes on (`Loop`); several processes, all of which call this, train one encoder together.
    """
    parts = [corpus(folder, plan, config.periods, "train", plan.clips, seed) for seed in plan.seeds]
    task = AudioTask(config, plan, *(torch.cat(column) for column in zip(*parts, strict=True)))
    loop = Loop(task, plan.training, folder)
    loop.run()
    with loop.averaged():
        if loop.accelerator.is_main_process:
            save_state(folder / ENCODER, task.encoder.state_dict())
        return task.correlations(*corpus(folder, plan, config.periods, "validation", plan.held_out, plan.seed + 1))


def _batch(
    sounds: Tensor, tracks: Tensor, plan: AudioPlan, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Pieces of random clips: what is heard [B, 80 + periods, 2P], what it should tell [B, P, 12], weights of that."""
    rows = torch.randint(len(sounds), (plan.batch,), generator=generator)
    length = round(tracks.shape[1] * plan.piece / plan.seconds)
    first = int(torch.randint(tracks.shape[1] - length + 1, (1,), generator=generator))
    sound = sounds[rows, :, 2 * first : 2 * (first + length)].float()
    # a random gain: the level in the file must not matter more than the normalisation leaves
    gain = torch.empty(plan.batch, 1, 1).uniform_(-0.5, 0.25, generator=generator)
    mels = sound[:, :MELS] + gain
    weight = torch.tensor(WEIGHTS).repeat(plan.batch, 1, 1)
    changed = torch.rand(plan.batch, generator=generator) < plan.other_throats
    if changed.any():
        mels[changed] = _other_throats(mels[changed], generator)
        weight[changed] = weight[changed].index_fill(2, torch.tensor(TIMBRE), 0.0)
    mels = _mask_bands(mels, generator)
    return torch.cat([mels, sound[:, MELS:]], dim=1), tracks[rows, first : first + length], weight


def _other_throats(mels: Tensor, generator: torch.Generator) -> Tensor:
    """Log-mel frames [B, 80, T] as throats of other lengths and rooms of other colours would make them.

    Frequencies are multiplied by a factor (vocal tract length perturbation, Jaitly and Hinton, 2013) that bends a
    little from low to high, loudness by a smooth curve over frequency; the pitch's own rows stay as they are.
    """
    rows = len(mels)
    low, high = (math.log(factor) for factor in THROATS)
    bend = 0.05 * torch.randn(rows, 3, generator=generator)
    factor = torch.empty(rows, 1).uniform_(low, high, generator=generator) + bend
    edges = mel_edges().float()
    hertz = edges[1:-1] * torch.exp(-interpolate(factor[:, None], MELS, mode="linear", align_corners=True)[:, 0])
    low_mel, high_mel = _to_mel(edges[[0, -1]])
    at = ((_to_mel(hertz) - low_mel) / (high_mel - low_mel) * (MELS + 1) - 1).clamp(0, MELS - 1)
    before = at.floor().long().clamp(max=MELS - 2)
    share = (at - before)[..., None]
    index = before[..., None].expand_as(mels)
    warped = torch.lerp(mels.gather(1, index), mels.gather(1, index + 1), share)
    colour = interpolate(0.2 * torch.randn(rows, 1, 6, generator=generator), MELS, mode="linear", align_corners=True)
    return (warped + colour.transpose(1, 2)).clamp(min=float(mels.min()))


def _to_mel(hertz: Tensor) -> Tensor:
    return 2595 * torch.log10(1 + hertz / 700)


def _mask_bands(mels: Tensor, generator: torch.Generator) -> Tensor:
    """Silence a random band of up to 12 of the 80 mels in each clip, against learning by heart."""
    first = torch.randint(0, mels.shape[1], (len(mels), 1), generator=generator)
    width = torch.randint(0, 13, (len(mels), 1), generator=generator)
    band = torch.arange(mels.shape[1])
    hidden = (band >= first) & (band < first + width)
    return mels.masked_fill(hidden[..., None], float(mels.min()))


def load_audio_encoder(config: AudioConfig, folder: Path) -> MelConvEncoder:
    """The trained encoder."""
    encoder = MelConvEncoder(config, backend=Backend())
    encoder.load_state_dict(load_state(folder / ENCODER))
    return encoder.eval()
