"""A head that goes to its region in the graph, as it does without ComfyUI."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support import random_checkpoint
from torch import Tensor

SIZE, FRAMES = 64, 6
HEAD = (0.25, 0.25, 0.75, 0.75)
"""Where the finder of these tests sees a head in every picture, in shares."""
ELSEWHERE, AROUND = (4, 8, 40, 44), (12, 14, 52, 50)


@pytest.fixture(scope="module")
def graph(ours, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What Load EMO Model gives of a file with a head finder, and a portrait and a sound."""
    path: Path = tmp_path_factory.mktemp("models") / "finder.safetensors"
    random_checkpoint(path, head=HEAD)
    loading, generator = ours["nodes.host.loading"], torch.Generator().manual_seed(1)
    with torch.inference_mode():
        checkpoint = ours["emo_core.checkpoints.load"].open_checkpoint(path)
        model, encoders, audio, vae = loading.load_networks(checkpoint, "default")
        finder = loading.load_head_finder(checkpoint)
    return SimpleNamespace(
        path=path,
        model=model,
        vae=vae,
        encoders=ours["nodes.types"].EncodersValue(checkpoint.config, encoders, audio, head_finder=finder),
        image=torch.rand(1, SIZE, SIZE, 3, generator=generator),
        audio={"waveform": 0.1 * torch.randn(1, 1, FRAMES * 640, generator=generator), "sample_rate": 16000},
    )


def mask(box: tuple[int, int, int, int]) -> Tensor:
    painted = torch.zeros(1, SIZE, SIZE)
    painted[:, box[1] : box[3], box[0] : box[2]] = 1
    return painted


def encoded(ours, graph: SimpleNamespace, painted: Tensor | None, **marks: Any) -> tuple[Any, Any, Any]:
    """EMO_REFERENCE, EMO_AUDIO and EMO_FACE_REGION by their nodes."""
    nodes = ours["nodes.conditioning"]
    reference = nodes.EncodeReference.execute(graph.encoders, graph.vae, graph.image, 0).result[0]
    sound = nodes.EncodeAudio.execute(graph.encoders, graph.audio, 0.0, 0.0, 0.0).result[0]
    region = nodes.EncodeFaceRegion.execute(graph.encoders, 0, 0.05, painted, **marks).result[0]
    return reference, sound, region


def latents(ours, graph: SimpleNamespace, painted: Tensor) -> Tensor:
    """By the nodes, in units of the networks."""
    *conds, latent = ours["nodes.conditioning"].Condition.execute(*encoded(ours, graph, painted)).result
    host = ours["nodes.host.sampling"]
    guider = host.make_guider(graph.model, *conds, 1.5, 2.0)
    steps = host.make_sampler("euler"), host.make_sigmas(graph.model, "simple", 3, 1.0)
    made = host.sample_clips(guider, host.SeededNoise(3), *steps, latent, 0, None)["samples"]
    return made * graph.encoders.config.vae.scaling


@pytest.mark.parametrize("box", [ELSEWHERE, AROUND], ids=["elsewhere", "in place"])
def test_comfyui_and_the_command_line_make_the_same_frames(
    ours, graph: SimpleNamespace, box: tuple[int, int, int, int]
) -> None:
    animate = ours["emo_core.animate"]
    sound = ours["emo_core.media.video"].Sound(graph.audio["waveform"][0], 16000)
    wish = animate.Wish(seed=3, speed=None)
    animator = animate.Animator.open(graph.path)
    theirs = torch.cat(list(animator.sample(graph.image[0], sound, wish, mask(box)[0])))
    torch.testing.assert_close(latents(ours, graph, mask(box)), theirs, atol=1e-3, rtol=1e-3)


def test_loading_a_file_with_a_finder_brings_it(ours, graph: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = ours["emo_core.checkpoints.load"].open_checkpoint(graph.path)
    monkeypatch.setattr(ours["nodes.loaders"], "open_model", lambda *_, **__: opened)
    encoders = ours["nodes.loaders"].LoadModel.execute("finder.safetensors", "fp16").result[1]
    found = ours["nodes.host.encode"].find_head(encoders.head_finder, graph.image.movedim(-1, 1))
    torch.testing.assert_close(found, torch.tensor(HEAD) * SIZE, atol=1e-3, rtol=0)  # in full precision


def test_a_head_in_its_region_is_not_encoded_again(ours, graph: SimpleNamespace) -> None:
    reference, _, region = encoded(ours, graph, mask(AROUND))
    assert ours["nodes.values"].reference_in(reference, region) is reference


@pytest.mark.parametrize("marks", [{}, {"key_points": "0.1 0.1, 0.2 0.1, 0.15 0.2"}], ids=["nothing", "key points"])
def test_only_a_painted_mask_moves_a_head(ours, graph: SimpleNamespace, marks: dict[str, str]) -> None:
    reference, _, region = encoded(ours, graph, None, **marks)
    assert region.painted is None
    assert ours["nodes.values"].reference_in(reference, region) is reference


def test_the_drawing_and_lips_only_show_the_portrait_that_is_animated(ours, graph: SimpleNamespace) -> None:
    values = ours["nodes.values"]
    reference, sound, region = encoded(ours, graph, mask(ELSEWHERE))
    moved = values.reference_in(reference, region).portrait
    assert (moved - reference.portrait).abs().max() > 0.1
    drawn = values.inspection(reference, None, region, None, 12)
    shown = values.inspection(values.reference_in(reference, None), None, None, None, 12)
    assert drawn.tobytes() != shown.tobytes()
    latent = values.conditionings(reference, sound, region, None)[3]
    still = ours["nodes.steering"].lips_only(latent, graph.vae, reference, "lips", region, None)
    torch.testing.assert_close(still["samples"][0], graph.vae.encode(moved[None])[0])


def test_what_a_video_says_of_its_portrait_is_the_picture_that_was_given(ours, graph: SimpleNamespace) -> None:
    values = ours["nodes.values"]
    made = [values.conditionings(*encoded(ours, graph, mask(box)), None)[3] for box in (ELSEWHERE, AROUND)]
    assert made[0][values.STATEMENT] == made[1][values.STATEMENT]


def test_a_model_without_a_finder_leaves_the_portrait(ours, networks, graph: SimpleNamespace) -> None:
    values = ours["nodes.values"]
    reference = values.reference_of(networks[1], networks[2], graph.image)
    region = values.region_of(networks[1], mask(ELSEWHERE), SIZE, 0.05)
    assert reference.movable is None
    assert values.reference_in(reference, region) is reference
