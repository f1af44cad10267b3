"""The audio encoder learns the mouth from synthesised voices, from corpora that are made once."""

from pathlib import Path

import pytest
import torch

from emo_core.audio.mel_conv import MelConvEncoder
from emo_core.config import AudioConfig
from emo_core.training.audio_encoder import AudioPlan, corpus, load_audio_encoder, train_audio_encoder
from emo_core.training.checkpoint import save_state
from emo_core.training.synthetic.espeak import EspeakError, Synthesiser

try:
    Synthesiser()
except EspeakError as error:
    pytest.skip(str(error), allow_module_level=True)

SMALL = AudioConfig(encoder="mel_conv", layers=3, width=32)
PLAN = AudioPlan(seeds=(1, 2), clips=8, held_out=4, steps=150, warmup=5, batch=8)


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


def test_a_second_run_keeps_the_corpora_and_gives_the_same_weights(
    folder: Path, heard: dict[str, float]
) -> None:
    made = {path: path.stat().st_mtime_ns for path in folder.glob("corpus-*")}
    first: MelConvEncoder = load_audio_encoder(SMALL, folder)
    assert train_audio_encoder(SMALL, PLAN, folder) == heard
    assert {path: path.stat().st_mtime_ns for path in folder.glob("corpus-*")} == made
    assert len(made) == 3
    again = load_audio_encoder(SMALL, folder)
    for (name, a), b in zip(first.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [PLAN.rate(step) for step in range(PLAN.steps)]
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[0] < 0.3
    assert rates[-1] < 0.01


def test_a_corpus_of_an_older_version_is_refused_and_kept(tmp_path: Path) -> None:
    old = tmp_path / "corpus-train-1.safetensors"
    save_state(old, {"sounds": torch.zeros(2, 80, 40), "tracks": torch.zeros(2, 20, 11)})
    with pytest.raises(ValueError, match=r"corpus-train-1\.safetensors has 11 tracks, needed are 12: delete it"):
        corpus(tmp_path, PLAN, 0, "train", 2, 1)
    assert old.is_file()
