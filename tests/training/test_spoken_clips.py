"""States and tracks of the corpora at the video's frames are those of the sounds themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from emo_core.audio.features import StateTimes, resample_states
from emo_core.audio.mel_conv import MelConvEncoder
from emo_core.backend import Backend
from emo_core.config import AudioConfig
from emo_core.training.audio_encoder import AudioPlan, load_audio_encoder
from emo_core.training.checkpoint import load_state, save_state
from emo_core.training.spoken_clips import SPEEDS, SpokenClips, encode_spoken, head
from emo_core.training.synthetic.clip_plan import FASTEST, FORMAT
from emo_core.training.synthetic.corpus import SPEECH_TRACKS
from emo_core.training.synthetic.head_motion import rotation_speed
from emo_core.training.synthetic.types import TRACKS

AUDIO = AudioConfig("mel_conv", 3, 16)
PLAN = AudioPlan(seeds=(1, 2), clips=3, seconds=2.0)
ROWS = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Corpora whose tracks rise by one per state, so that their value at any time is known."""
    torch.manual_seed(0)
    save_state(tmp_path / "audio_encoder.safetensors", MelConvEncoder(AUDIO, backend=Backend()).state_dict())
    for seed in PLAN.seeds:
        ramp = torch.arange(ROWS, dtype=torch.float32)[None, :, None] + torch.arange(len(SPEECH_TRACKS)) * 1000
        tracks = ramp + 100_000 * seed + 10_000 * torch.arange(PLAN.clips)[:, None, None]
        sounds = torch.randn(PLAN.clips, 80, 2 * ROWS).half()
        path = tmp_path / f"corpus-train-{seed}.safetensors"
        save_state(path, {"sounds": sounds, "tracks": tracks}, {"format": str(FORMAT)})
    return tmp_path


def test_frames_have_the_states_and_tracks_of_their_moment(folder: Path) -> None:
    encode_spoken(folder, PLAN, AUDIO, 25.0)
    spoken = SpokenClips(folder)
    assert (len(spoken), spoken.frames(0)) == (6, 50)
    tracks = spoken.get(4, "tracks", slice(None)).numpy()  # the second sound of seed 2
    known = ("open", "width", "round", "blink", "brow")
    for name in known:
        begins = 200_000 + 10_000 + 1000 * SPEECH_TRACKS.index(name)
        assert np.allclose(tracks[:, TRACKS.index(name)], begins + 2 * np.arange(50) + 0.5)
    assert not tracks[:, [i for i, name in enumerate(TRACKS) if name not in known]].any()
    sound = load_state(folder / "corpus-train-2.safetensors")["sounds"][1:2].float()
    with torch.inference_mode():
        states = resample_states(load_audio_encoder(AUDIO, folder).states(sound)[0], StateTimes(), 50, 25.0)
    assert torch.allclose(spoken.get(4, "states", slice(None)), states, atol=2e-2)


def test_what_is_there_is_not_made_again(folder: Path) -> None:
    encode_spoken(folder, PLAN, AUDIO, 25.0)
    for corpus in folder.glob("corpus-*"):
        corpus.unlink()
    encode_spoken(folder, PLAN, AUDIO, 25.0)
    assert len(SpokenClips(folder)) == 6


def test_heads_turn_to_each_sound_at_speeds_of_all_kinds(folder: Path) -> None:
    encode_spoken(folder, PLAN, AUDIO, 25.0)
    spoken = SpokenClips(folder)
    heads = spoken.get(4, "heads", np.arange(3, 9))
    assert heads.shape == (6, SPEEDS, 3)
    torch.testing.assert_close(heads, spoken.get(4, "heads", slice(None))[3:9])
    assert spoken.speeds.shape == (6, SPEEDS)
    assert 0 <= spoken.speeds.min() < 0.3 < 1.5 < spoken.speeds.max() <= FASTEST


@pytest.mark.parametrize("singing", [False, True])
@pytest.mark.parametrize("speed", [0.2, 1.5])
def test_a_head_moves_as_fast_as_asked_and_to_the_sound(speed: float, singing: bool) -> None:
    rng = np.random.default_rng(0)
    heard = gaussian_filter1d(rng.standard_normal((2, 200)), 5, axis=1) + 1
    at = (np.arange(100) + 0.5) / 25
    made = head(np.random.default_rng(1), heard, speed, singing, at)
    assert rotation_speed(made).mean() == pytest.approx(speed, rel=0.02)
    assert np.array_equal(made, head(np.random.default_rng(1), heard, speed, singing, at))
    louder = head(np.random.default_rng(1), heard * [[1.5], [1]], speed, singing, at)
    assert not np.allclose(made[:, 0], louder[:, 0])
