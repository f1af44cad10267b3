"""The audio encoder learns the mouth from synthesised voices, from corpora that are made once."""

import dataclasses
from pathlib import Path

import pytest
import torch

from emo_core.audio.mel_conv import log_mel, mel_edges
from emo_core.config import AudioConfig
from emo_core.training.audio_encoder import (
    THROATS,
    TIMBRE,
    WEIGHTS,
    AudioPlan,
    _batch,
    _other_throats,
    corpus,
    load_audio_encoder,
    make_corpora,
    train_audio_encoder,
)
from emo_core.training.checkpoint import save_state
from emo_core.training.loop import LoopPlan
from emo_core.training.synthetic.clip_plan import FORMAT
from emo_core.training.synthetic.espeak import EspeakError, Synthesiser

try:
    Synthesiser()
except EspeakError as error:
    pytest.skip(str(error), allow_module_level=True)

SMALL = AudioConfig(encoder="mel_conv", layers=3, width=32)
TRAINING = LoopPlan(150, 2.5e-3, warmup=5, cooldown=1.0, ema=0.9)
PLAN = AudioPlan(seeds=(1, 2), clips=8, held_out=4, training=TRAINING, batch=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audio")


@pytest.fixture(scope="module")
def heard(folder: Path) -> dict[str, float]:
    """Correlations on held-out voices after some seconds of training."""
    pytest.importorskip("pyworld", exc_type=ImportError)
    return train_audio_encoder(SMALL, PLAN, folder)


def test_it_hears_loudness_and_the_mouth_of_held_out_voices(heard: dict[str, float]) -> None:
    assert heard["loudness"] > 0.7
    assert heard["open"] > 0.4


def test_another_run_keeps_the_corpora_and_gives_the_same_weights(
    folder: Path, heard: dict[str, float], tmp_path: Path
) -> None:
    made = sorted(folder.glob("corpus-*"))
    assert len(made) == 3
    for path in made:
        (tmp_path / path.name).symlink_to(path)
    assert train_audio_encoder(SMALL, PLAN, tmp_path) == heard
    assert all((tmp_path / path.name).is_symlink() for path in made)
    first, again = (load_audio_encoder(SMALL, where).state_dict() for where in (folder, tmp_path))
    for name, value in first.items():
        assert torch.equal(value, again[name]), name


def test_a_finished_run_is_not_trained_again(folder: Path, heard: dict[str, float]) -> None:
    checkpoint = (folder / "training.pt").stat().st_mtime_ns
    assert train_audio_encoder(SMALL, PLAN, folder) == heard
    assert (folder / "training.pt").stat().st_mtime_ns == checkpoint


def test_processes_make_a_share_of_the_corpora_each(tmp_path: Path) -> None:
    pytest.importorskip("pyworld", exc_type=ImportError)
    plan = dataclasses.replace(PLAN, clips=2, held_out=1)
    for rank, names in ((0, {"corpus-train-1", "corpus-validation-1"}), (1, {"corpus-train-2"})):
        folder = tmp_path / str(rank)
        make_corpora(SMALL, plan, folder, slice(rank, None, 2))
        assert {path.stem for path in folder.iterdir()} == names


def test_another_throat_moves_a_resonance_by_a_factor_within_limits() -> None:
    time = torch.arange(16000) / 16000
    mels = log_mel(0.1 * torch.sin(2 * torch.pi * 1000 * time)[None]).repeat(200, 1, 1)
    changed = _other_throats(mels, torch.Generator().manual_seed(1))
    peaks = mel_edges()[1:-1][changed[:, :, 50].argmax(1)] / 1000
    low, high = THROATS
    assert peaks.min() < low * 1.15
    assert peaks.max() > high / 1.15
    assert ((peaks > low / 1.3) & (peaks < high * 1.3)).all()
    assert 0.8 < float(peaks.log().mean().exp()) < 1.25


def test_silence_stays_about_silent_in_another_throat() -> None:
    silent = log_mel(torch.zeros(4, 8000))
    assert (_other_throats(silent, torch.Generator().manual_seed(1)) - silent).abs().max() < 1.0


def test_of_changed_voices_all_but_the_colour_of_the_sound_counts() -> None:
    plan = AudioPlan(batch=64, other_throats=0.5)
    sounds, tracks = torch.randn(8, 120, 400).half(), torch.rand(8, 200, len(WEIGHTS))
    sound, _, weight = _batch(sounds, tracks, plan, torch.Generator().manual_seed(1))
    changed = weight[:, 0, TIMBRE[0]] == 0
    assert 16 < changed.sum() < 48
    others = [column for column in range(len(WEIGHTS)) if column not in TIMBRE]
    assert torch.equal(weight[:, 0, others], torch.tensor(WEIGHTS)[others].expand(64, -1))
    assert (weight[changed][:, 0, list(TIMBRE)] == 0).all()
    assert (weight[~changed][:, 0, list(TIMBRE)] > 0).all()
    heard = {piece.numpy().tobytes() for piece in sounds[:, 80:].float()}
    assert all(piece.numpy().tobytes() in heard for piece in sound[:, 80:])  # the pitch's rows are nobody else's


def test_a_corpus_of_an_older_version_is_refused_and_kept(tmp_path: Path) -> None:
    old = tmp_path / "corpus-train-1.safetensors"
    tensors = {"sounds": torch.zeros(2, 80, 40), "tracks": torch.zeros(2, 20, 11)}
    save_state(old, tensors, {"format": str(FORMAT)})
    with pytest.raises(ValueError, match=r"corpus-train-1\.safetensors has 11 tracks, needed are 12: delete it"):
        corpus(tmp_path, PLAN, 0, "train", 2, 1)
    assert old.is_file()


@pytest.mark.parametrize(("metadata", "said"), [(None, "none"), ({"format": "1"}, "1")])
def test_a_corpus_of_an_older_world_is_refused_and_kept(
    metadata: dict[str, str] | None, said: str, tmp_path: Path
) -> None:
    old = tmp_path / "corpus-train-1.safetensors"
    save_state(old, {"sounds": torch.zeros(2, 80, 40), "tracks": torch.zeros(2, 20, 12)}, metadata)
    with pytest.raises(ValueError, match=rf"corpus-train-1\.safetensors has format {said}, not {FORMAT}: delete it"):
        corpus(tmp_path, PLAN, 0, "train", 2, 1)
    assert old.is_file()
