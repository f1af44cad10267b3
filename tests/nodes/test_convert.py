"""Bad input is named when it comes in, with what is wanted and what to do."""

import pytest
import torch


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.zeros(2, 8, 8, 3), "batch of 2 pictures, want 1"),
        (torch.zeros(1, 8, 8, 4), "4 channels, want 3"),
        (torch.full((1, 8, 8, 3), torch.nan), "NaN"),
    ],
)
def test_a_portrait_that_cannot_be_used_is_refused(ours, image: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ours["nodes.convert"].portrait_from_image(image, 64)


def test_a_portrait_of_any_size_becomes_the_models_square(ours) -> None:
    assert ours["nodes.convert"].portrait_from_image(torch.rand(1, 90, 70, 3), 64).shape == (1, 64, 64, 3)


@pytest.mark.parametrize(
    ("waveform", "words"),
    [
        (torch.zeros(1, 1, 0), "no samples"),
        (torch.full((1, 1, 9), torch.nan), "NaN"),
        (torch.zeros(2, 1, 9), r"batch of shape \(2, 1, 9\)"),
    ],
)
def test_a_sound_that_cannot_be_used_is_refused(ours, waveform: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ours["nodes.convert"].sound_from_audio({"waveform": waveform, "sample_rate": 16000})


def test_the_original_samples_come_out_untouched(ours) -> None:
    convert = ours["nodes.convert"]
    waveform = torch.randn(1, 2, 1000)
    sound = convert.sound_from_audio({"waveform": waveform, "sample_rate": 44100})
    audio = convert.audio_from_sound(convert.trimmed(sound, 0.0, 0.0))
    assert torch.equal(audio["waveform"], waveform)
    assert audio["sample_rate"] == 44100


def test_a_start_behind_the_end_is_refused(ours) -> None:
    convert = ours["nodes.convert"]
    sound = convert.sound_from_audio({"waveform": torch.zeros(1, 1, 16000), "sample_rate": 16000})
    with pytest.raises(ValueError, match=r"start 2.0 s is behind the end of the audio, which lasts 1.00 s"):
        convert.trimmed(sound, 2.0, 0.0)


def test_an_empty_mask_is_refused(ours) -> None:
    with pytest.raises(ValueError, match="the mask is empty: paint over the face"):
        ours["nodes.convert"].region_from_mask(torch.zeros(1, 64, 64), 64)
