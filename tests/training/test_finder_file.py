"""The head finder in a model's file: taken apart and put together again, and files from before there was one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from emo_core.animate import BUILT_IN, Animator
from emo_core.backend import Backend
from emo_core.checkpoints.errors import MissingKeyError
from emo_core.models.head_finder import HeadFinder
from emo_core.training import recipe
from emo_core.training.loop import LoopPlan
from emo_core.training.recipe import FINDER, START, Recipe, export, start_from, train


def part(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if name.startswith("head_finder.")}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The shipped file with a head finder of random weights, and without one."""
    folder = tmp_path_factory.mktemp("files")
    with safe_open(str(BUILT_IN), "pt") as opened:
        metadata = opened.metadata()
    torch.manual_seed(0)
    weights = HeadFinder(backend=Backend()).state_dict()
    tensors = {name: value for name, value in load_file(BUILT_IN).items() if not name.startswith("head_finder.")}
    save_file(tensors, folder / "without.safetensors", metadata)
    finder = {f"head_finder.{name}": value.half() for name, value in weights.items()}
    save_file(tensors | finder, folder / "with.safetensors", metadata)
    return folder / "with.safetensors", folder / "without.safetensors"


@pytest.mark.parametrize("brings", [True, False], ids=["with", "without"])
def test_a_file_is_taken_apart_and_put_together_again(
    files: tuple[Path, Path], tmp_path: Path, brings: bool
) -> None:
    file = files[0] if brings else files[1]
    start_from(file, tmp_path)
    assert (tmp_path / FINDER).is_file() == brings
    emphasis = json.loads((tmp_path / START).read_text())["recipe"].get("emphasis", {})
    export(tmp_path, dataclasses.replace(Recipe(), emphasis=emphasis), tmp_path / "again.safetensors")
    given, again = load_file(file), load_file(tmp_path / "again.safetensors")
    assert given.keys() == again.keys()
    assert bool(part(again)) == brings
    assert all(value.half().equal(again[name]) for name, value in given.items())


def test_animators_find_heads_if_the_file_brings_a_finder(files: tuple[Path, Path]) -> None:
    finder = Animator.open(files[0]).head_finder
    assert finder is not None
    given = load_file(files[0])
    for name, value in finder.state_dict().items():
        assert value.equal(given[f"head_finder.{name}"].float())
    assert Animator.open(files[1]).head_finder is None


def test_a_finder_with_a_tensor_missing_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    with safe_open(str(files[0]), "pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(files[0])
    del tensors["head_finder.heat.bias"]
    save_file(tensors, tmp_path / "broken.safetensors", metadata)
    with pytest.raises(MissingKeyError, match=r"head finder needs 'heat\.bias'"):
        Animator.open(tmp_path / "broken.safetensors")


class Refusing:
    """Stands for clips that must not be opened."""

    def __init__(self, folder: Path) -> None:
        raise FileNotFoundError(folder)


def test_a_finder_that_a_file_brought_along_is_not_trained_again(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "ClipShards", Refusing)
    start_from(files[0], tmp_path / "with")
    before = (tmp_path / "with" / FINDER).read_bytes()
    train(tmp_path / "with", Recipe(), only="finder")
    assert (tmp_path / "with" / FINDER).read_bytes() == before
    start_from(files[1], tmp_path / "without")
    with pytest.raises(FileNotFoundError, match="clips"):  # it would be trained
        train(tmp_path / "without", dataclasses.replace(Recipe(), finder=LoopPlan(1, 1e-3)), only="finder")
