"""Shortcuts on our MODEL: exact as set, faster if asked for, and nothing stays behind."""

from pathlib import Path
from typing import Any

import pytest
import torch
from stock import Studio, differs
from support import Pack


@pytest.fixture(scope="module")
def studio(ours: Any, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(ours, tmp_path_factory.mktemp("studio") / "random.safetensors")


def faster(ours: Pack, model: Any, deep_every: int = 1, share: float = 1.0) -> Any:
    shortcuts = ours["emo_core.diffusion.shortcuts"].Shortcuts(deep_every, share)
    return ours["nodes.host.shortcuts"].with_shortcuts(model, shortcuts)


@pytest.fixture(scope="module")
def exact(studio: Studio) -> torch.Tensor:
    return studio.sample(steps=4)


def test_as_set_the_result_is_exact(ours: Any, studio: Studio, exact: torch.Tensor) -> None:
    assert torch.equal(studio.sample(faster(ours, studio.model), steps=4), exact)


@pytest.mark.parametrize(("deep_every", "share"), [(2, 1.0), (1, 0.5), (3, 0.5)])
def test_a_shortcut_changes_the_result_the_same_way_each_time(
    ours: Any, studio: Studio, exact: torch.Tensor, deep_every: int, share: float
) -> None:
    """Twice the same means that nothing of the sampling before was used."""
    model = faster(ours, studio.model, deep_every, share)
    first = studio.sample(model, steps=4)
    assert differs(first, exact)
    studio.sample(model, steps=4, positive=studio.reference_only, seed=9)
    assert torch.equal(studio.sample(model, steps=4), first)
    assert torch.equal(studio.sample(steps=4), exact)


def test_no_guided_step_is_a_cfg_of_one(ours: Any, studio: Studio) -> None:
    made = studio.sample(faster(ours, studio.model, share=0.0), cfg=3.0)
    torch.testing.assert_close(made, studio.sample(cfg=1.0), atol=1e-5, rtol=1e-4)


def test_deep_layers_run_at_every_second_step_only(ours: Any, studio: Studio) -> None:
    calls: list[int] = []
    middle = studio.model.model.diffusion_model.mid_block
    handle = middle.register_forward_hook(lambda *_: calls.append(1))
    try:
        studio.sample(faster(ours, studio.model, deep_every=2), steps=5)
    finally:
        handle.remove()
    assert len(calls) == 3


def test_the_sampling_leaves_no_tensors_in_the_model(ours: Any, studio: Studio) -> None:
    model = faster(ours, studio.model, deep_every=2)
    studio.sample(model)
    assert ours["nodes.host.shortcuts"].KEY not in model.model_options["transformer_options"]


def test_shortcuts_work_in_the_windows_of_the_host(ours: Any, studio: Studio) -> None:
    model = faster(ours, studio.model, deep_every=2, share=0.5)
    windows = studio.node(
        "ContextWindowsManual",
        model=model,
        context_length=3,
        context_overlap=1,
        context_schedule="standard_static",
        context_stride=1,
        closed_loop=False,
        fuse_method="pyramid",
        dim=0,
    )
    assert studio.sample(windows, steps=4).isfinite().all()


def test_each_clip_of_ours_begins_anew(ours: Any, studio: Studio) -> None:
    """The second clip of a video is the same whether or not the first one was made in the same run."""
    host = ours["nodes.host.sampling"]
    with torch.inference_mode():
        full, silent, nothing, latent = studio.conditionings(8)
    model = faster(ours, studio.model, deep_every=2, share=0.5)

    def made(weights: tuple[float, float]) -> torch.Tensor:
        guider = host.make_guider(model, full, silent, nothing, *weights)
        sigmas = host.make_sigmas(model, "simple", 4, 1.0)
        noise = host.SeededNoise(3)
        return host.sample_clips(guider, noise, host.make_sampler("euler"), sigmas, latent, 4, None)["samples"]

    first = made((1.5, 2.0))
    assert first.isfinite().all()
    assert torch.equal(made((1.5, 2.0)), first)


def test_a_wrong_number_is_told(ours: Any) -> None:
    shortcuts = ours["emo_core.diffusion.shortcuts"].Shortcuts
    with pytest.raises(ValueError, match="deep_every is 0"):
        shortcuts(0)
    with pytest.raises(ValueError, match="guided_share is 1"):
        shortcuts(1, 1.5)


def test_a_control_net_and_resting_layers_agree_on_who_is_next(ours: Any, tmp_path: Path) -> None:
    """Residuals of layers that rest are dropped, so that the outer layers get their own."""
    hooks = ours["nodes.host.hooks"]
    config = ours["emo_core.config"].UNetConfig(channels=(32, 64), attention=(True, False), layers_per_block=1)
    x = torch.zeros(1, 4, 8, 8)
    residuals = [torch.full((1, 32, 8, 8), float(i)) for i in range(4)]
    made = hooks.HostHooks(config, hooks.stock_places(config), x, {"output": residuals}, {})
    for path in ("up_blocks.0.attentions.0", "up_blocks.0.attentions.1"):
        made.passed_over(path)
    _, skip = made.up(torch.zeros(1, 32, 8, 8), torch.zeros(1, 32, 8, 8), "up_blocks.1.attentions.0")
    assert skip.unique().tolist() == [1.0]
