"""The backbone never waits for a device, compiles whole, and leaves out only what nobody sees."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from support import SMALL
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from emo_core.bench.passes import Case, Clip
from emo_core.checkpoints.registry import FAMILIES
from emo_core.config import EmoConfig
from emo_core.modules.conditions import Features
from emo_core.modules.deep import DeepFeatures
from emo_core.modules.rows import join, take

NAMES = ["emo", "hallo", "echomimic", "v_express"]
WAITS = {"aten._local_scalar_dense", "aten.nonzero", "aten.is_nonzero", "aten.item", "aten._to_copy", "aten.unique_dim"}
"""Operations that read a value back, or move a tensor between kinds of devices or numbers."""


class Operations(TorchDispatchMode):
    """The names of all operations that run within it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(str(function).rsplit(".", 1)[0])
        return function(*args, **(kwargs or {}))


def config_of(name: str) -> EmoConfig:
    from checkpoints.tiny import small_config

    return SMALL if name == "emo" else small_config(next(f for f in FAMILIES if f.name == name))


@pytest.fixture(params=NAMES)
def clip(request: pytest.FixtureRequest) -> Clip:
    return Clip(Case(request.param, config_of(request.param), 64, 3, torch.float32))


def run(clip: Clip, rows: list[Features], **options) -> Tensor:
    """Both rows of guidance through the backbone."""
    with torch.inference_mode():
        return clip.model.backbone(clip.latents.repeat(2, 1, 1, 1), torch.tensor([500, 500]), rows, **options)


def test_no_value_is_read_back_in_a_pass(clip: Clip) -> None:
    """Reading a value, or an index from a list of Python numbers, makes a GPU's computer wait for it."""
    rows = clip.rows()
    with torch.inference_mode(), Operations() as seen:
        clip.model.backbone(clip.latents.repeat(2, 1, 1, 1), torch.tensor([500.0, 500.0]), rows)
    assert not seen.names & WAITS
    assert not {name for name in seen.names if "index_put" in name}


@pytest.mark.slow
def test_the_backbone_compiles_without_a_break(clip: Clip) -> None:
    rows, latents = clip.rows(), clip.latents.repeat(2, 1, 1, 1)
    torch._dynamo.reset()

    def forward(x: Tensor, times: Tensor) -> Tensor:
        return clip.model.backbone(x, times, rows)

    with torch.inference_mode():
        found = torch._dynamo.explain(forward)(latents, torch.tensor([500.0, 500.0]))
    assert found.graph_break_count == 0, found.break_reasons


def test_pieces_do_not_change_the_result(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clip.rows()
    whole = run(clip, rows)
    monkeypatch.setattr("emo_core.modules.attention.AT_ONCE", 1024)
    monkeypatch.setattr("emo_core.modules.temporal.AT_ONCE", 1024)
    torch.testing.assert_close(run(clip, rows), whole, atol=1e-5, rtol=1e-4)


def test_odd_sizes_keep_their_shape(clip: Clip) -> None:
    latents = torch.zeros(2, clip.case.config.unet.latent_channels, 9, 7)
    row = dataclasses.replace(clip.rows()[0], face=None, reference=None, motion=None, audio=None, regions=None)
    row = dataclasses.replace(row, speed=None)
    with torch.inference_mode():
        assert clip.model.backbone(latents, torch.tensor([1]), [row]).shape == latents.shape


def test_resting_deep_layers_at_the_same_input_give_the_same(clip: Clip) -> None:
    deep, rows = DeepFeatures(), clip.rows()
    fresh = run(clip, rows, deep=deep.at("ab", range(3), fresh=True))
    torch.testing.assert_close(fresh, run(clip, rows), atol=0, rtol=0)
    calls: list[int] = []
    clip.model.backbone.mid_block.register_forward_hook(lambda *_: calls.append(1))
    torch.testing.assert_close(run(clip, rows, deep=deep.at("ab", range(3), fresh=False)), fresh, atol=1e-5, rtol=1e-4)
    assert not calls
    run(clip, rows, deep=deep.at("ab", [1, 2, 3], fresh=False))
    assert calls, "a frame that was never seen makes the deep layers run"


def test_rows_are_taken_and_put_back() -> None:
    x = torch.arange(8.0).reshape(4, 2)
    assert take(x, [1, 2]).data_ptr() == x[1:].data_ptr()
    assert torch.equal(take(x, [2, 0]), x[[2, 0]])
    assert torch.equal(join(4, [2, 0], x[[2, 0]], x[[1, 3]]), x)
    assert torch.equal(join(3, [1], x[:1], x.new_full((1,), 7)), torch.tensor([[7.0, 7], [0, 1], [7, 7]]))
