"""What is done to a sound before the model hears it."""

import math

import pytest
import torch

from emo_core.audio.hearing import at_loudness, gated, loudness, with_silence_behind
from emo_core.media.video import Sound


def tone(seconds: float, level: float = 1.0, rate: int = 48000, hertz: float = 997.0) -> Sound:
    """A sine, mono."""
    return Sound(
        level * torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate)[None], rate
    )


def test_a_full_scale_sine_has_the_loudness_of_the_standard() -> None:
    assert loudness(tone(5)) == pytest.approx(-3.01, abs=0.02)  # ITU-R BS.1770: 997 Hz, 0 dBFS, one channel


@pytest.mark.parametrize(("hertz", "rate"), [(60.0, 48000), (300.0, 16000), (3000.0, 44100)])
def test_loudness_agrees_with_torchaudio(hertz: float, rate: int) -> None:
    torchaudio = pytest.importorskip("torchaudio.functional")
    sound = tone(3, 0.3, rate, hertz)
    assert loudness(sound) == pytest.approx(float(torchaudio.loudness(sound.samples, rate)), abs=0.2)


def test_long_sounds_are_measured_in_pieces_with_the_same_result() -> None:
    sound = Sound(torch.cat([tone(61, 0.5).samples, tone(30, 0.05).samples], 1), 48000)
    louder = Sound(sound.samples * 0.5, 48000)
    assert loudness(sound) - loudness(louder) == pytest.approx(6.02, abs=0.01)


def test_a_sound_is_brought_to_a_loudness_and_silence_stays_silent() -> None:
    assert loudness(at_loudness(tone(2, 0.01), -23.0)) == pytest.approx(-23, abs=0.05)
    silence = Sound(torch.zeros(1, 16000), 16000)
    assert torch.equal(at_loudness(silence, -23.0).samples, silence.samples)


def test_the_gate_silences_pauses_and_nothing_else() -> None:
    noise = Sound(0.001 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)), 16000)
    speech = tone(1, 0.3, 16000)
    sound = Sound(torch.cat([speech.samples, noise.samples, speech.samples], 1), 16000)
    heard = gated(sound, 40.0).samples
    assert torch.equal(heard[:, :16000], sound.samples[:, :16000])
    assert not heard[:, 19200:28800].any()  # 0.2 s are held
    assert torch.equal(heard[:, 32500:], sound.samples[:, 32500:])
    assert heard.shape == sound.samples.shape


def test_a_gate_below_the_noise_changes_nothing() -> None:
    sound = Sound(torch.randn(1, 10001, generator=torch.Generator().manual_seed(0)), 16000)
    assert torch.equal(gated(sound, 60.0).samples, sound.samples)


def test_silence_is_put_behind_a_sound() -> None:
    longer = with_silence_behind(tone(1), 0.5)
    assert longer.seconds == pytest.approx(1.5)
    assert not longer.samples[:, 48000:].any()
    assert with_silence_behind(tone(1), 0.0).seconds == 1.0
