"""emo-tiny's audio encoder."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from emo_core.audio.mel_conv import VOICE, MelConvEncoder, log_mel, normalise, periodicity
from emo_core.audio.rules import encode_windows, short_sighted_windows
from emo_core.backend import Backend
from emo_core.config import AudioConfig


@pytest.fixture(scope="module")
def encoder() -> MelConvEncoder:
    torch.manual_seed(0)
    return MelConvEncoder(AudioConfig("mel_conv", 5, 16), backend=Backend()).eval()


@pytest.mark.parametrize("periods", [0, 40])
@pytest.mark.parametrize("samples", [1, 319, 16000, 50077])
@torch.inference_mode()
def test_pieces_give_what_the_whole_gives(samples: int, periods: int) -> None:
    torch.manual_seed(0)
    encoder = MelConvEncoder(AudioConfig("mel_conv", 5, 16, periods=periods), backend=Backend()).eval()
    sound = 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples))
    whole = encoder(sound)
    assert whole.shape == (math.ceil(samples / 320), 5, 16)
    torch.testing.assert_close(encoder.encode(sound, seconds=0.7), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("frames", "fps", "window", "step"), [(1, 25.0, 5, 7), (60, 25.0, 5, 7), (83, 29.97, 4, 16)])
@torch.inference_mode()
def test_windows_made_a_few_at_a_time_are_those_of_the_whole_sound(
    encoder: MelConvEncoder, frames: int, fps: float, window: int, step: int
) -> None:
    sound = 0.3 * torch.randn(40_123, generator=torch.Generator().manual_seed(1))
    config = AudioConfig("mel_conv", 4, 16, window)

    def encode(waveform: Tensor, _: int | None) -> Tensor:
        return encoder.encode(waveform)

    whole = encode_windows(encode, config, sound, frames, fps).all()
    parts = list(short_sighted_windows(encode, config, sound, frames, fps, step))
    assert [len(part) for part in parts[:-1]] == [step] * (len(parts) - 1)
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=1e-4)


def test_a_click_is_heard_at_its_time() -> None:
    sound = torch.zeros(1, 16000)
    sound[0, 8000] = 1.0  # at 0.5 s
    mel = log_mel(sound)[0].mean(0)
    assert abs(int(mel.argmax()) - 49.5) <= 1  # frame j is centred at (j + 0.5) / 100 s


def test_a_tone_lands_in_its_band() -> None:
    seconds = torch.arange(16000) / 16000
    bands = [
        int(log_mel(torch.sin(2 * torch.pi * f * seconds)[None])[0].mean(1).argmax())
        for f in (200, 1000, 4000)
    ]
    assert bands == sorted(bands)
    assert bands[0] < 12
    assert bands[2] > 50


@pytest.mark.parametrize("hertz", [80.0, 150.0, 320.0])
def test_the_period_of_a_voice_is_found(hertz: float) -> None:
    seconds = torch.arange(16000) / 16000
    buzz = sum(0.05 * torch.sin(2 * torch.pi * hertz * n * seconds) for n in range(1, 12))
    alike = periodicity(buzz[None], 40)[0, :, 50]  # in the middle of the sound
    pitches = torch.logspace(math.log10(VOICE[1]), math.log10(VOICE[0]), 40)  # high first
    found = [float(pitch) for pitch, value in zip(pitches, alike, strict=True) if value > 0.7]
    assert found
    # whole multiples of the period repeat as well, and nothing else does
    assert all(min(abs(hertz / pitch - n) / n for n in range(1, 8)) < 0.04 for pitch in found)
    assert max(found) == pytest.approx(hertz, rel=0.04)


def test_noise_and_silence_have_no_period() -> None:
    hiss = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
    assert periodicity(hiss[None], 40)[..., 5:-5].mean().abs() < 0.05
    assert periodicity(torch.zeros(1, 16000), 40).abs().max() == 0


def test_silence_stays_silent() -> None:
    hiss = 1e-4 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
    assert normalise(hiss).square().mean().sqrt() < 0.002
    loud = normalise(0.5 * torch.sin(torch.arange(16000) / 9))
    torch.testing.assert_close(loud.square().mean().sqrt(), torch.tensor(0.1), atol=1e-3, rtol=0)
