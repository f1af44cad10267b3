"""Pretraining of emo-tiny's audio encoder: it learns mouth shapes, voicing, pitch and loudness from synthesised
voices, then stays frozen (deviation from the paper, which takes a published wav2vec)."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..audio.mel_conv import MelConvEncoder, log_mel, normalise
from ..backend import Backend
from ..config import AudioConfig
from .checkpoint import load_state, save_state

LOG = logging.getLogger(__name__)
TARGETS = 6
"""Columns of `synthetic.corpus.SPEECH_TRACKS`."""


@dataclass(frozen=True)
class AudioPlan:
    """How the encoder is trained."""

    clips: int = 5000
    seconds: float = 4.0
    steps: int = 4000
    batch: int = 16
    learning_rate: float = 2e-3
    seed: int = 0


def corpus(plan: AudioPlan, split: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Log-mels [N, 80, 2T] in half precision and tracks [N, T, 6] of synthesised clips."""
    from .synthetic.corpus import speech_corpus

    mels, tracks = [], []
    for waveform, track in speech_corpus(seed, count, split, seconds=plan.seconds):
        mels.append(log_mel(normalise(torch.from_numpy(waveform))[None])[0].half())
        tracks.append(torch.from_numpy(track))
    return torch.stack(mels), torch.stack(tracks)


def train_audio_encoder(config: AudioConfig, plan: AudioPlan, folder: Path) -> dict[str, float]:
    """Train, save `folder/audio_encoder.safetensors`, return held-out correlations of each target."""
    generator = torch.Generator().manual_seed(plan.seed)
    torch.manual_seed(plan.seed)
    encoder = MelConvEncoder(config, backend=Backend())
    head = nn.Linear(config.width * config.layers, TARGETS)
    if (folder / "audio_encoder.safetensors").is_file():  # more training of an earlier result
        encoder.load_state_dict(load_state(folder / "audio_encoder.safetensors"))
        head.load_state_dict(load_state(folder / "audio_head.safetensors"))
    mels, tracks = corpus(plan, "train", plan.clips, plan.seed)
    optimizer = torch.optim.AdamW(
        [*encoder.parameters(), *head.parameters()], plan.learning_rate, weight_decay=1e-3
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.learning_rate, total_steps=plan.steps)
    start = time.monotonic()
    for step in range(plan.steps):
        rows = torch.randint(len(mels), (plan.batch,), generator=generator)
        # a random gain: the level in the file must not matter more than the normalisation leaves
        gain = torch.empty(plan.batch, 1, 1).uniform_(-0.5, 0.25, generator=generator)
        heard = _mask_bands(mels[rows].float() + gain, generator)
        loss = nn.functional.smooth_l1_loss(head(encoder.states(heard).flatten(2)), tracks[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            LOG.info("audio step %d loss %.5f (%.0f s)", step, loss.item(), time.monotonic() - start)
    save_state(folder / "audio_encoder.safetensors", encoder.state_dict())
    save_state(folder / "audio_head.safetensors", head.state_dict())
    return correlations(encoder, head, *corpus(plan, "validation", 100, plan.seed + 1))


def _mask_bands(mels: Tensor, generator: torch.Generator) -> Tensor:
    """Silence a random band of up to 12 of the 80 mels in each clip, against learning by heart."""
    first = torch.randint(0, mels.shape[1], (len(mels), 1), generator=generator)
    width = torch.randint(0, 13, (len(mels), 1), generator=generator)
    band = torch.arange(mels.shape[1])
    hidden = (band >= first) & (band < first + width)
    return mels.masked_fill(hidden[..., None], float(mels.min()))


def correlations(encoder: MelConvEncoder, head: nn.Linear, mels: Tensor, tracks: Tensor) -> dict[str, float]:
    """Pearson r of each target over all held-out clips."""
    from .synthetic.corpus import SPEECH_TRACKS

    with torch.inference_mode():
        guess = torch.cat([head(encoder.states(mel[None].float()).flatten(2)) for mel in mels]).flatten(0, 1)
    truth = tracks.flatten(0, 1)
    return {
        name: float(np.corrcoef(guess[:, i].numpy(), truth[:, i].numpy())[0, 1])
        for i, name in enumerate(SPEECH_TRACKS)
    }


def load_audio_encoder(config: AudioConfig, folder: Path) -> MelConvEncoder:
    """The trained encoder."""
    encoder = MelConvEncoder(config, backend=Backend())
    encoder.load_state_dict(load_state(folder / "audio_encoder.safetensors"))
    return encoder.eval()
