"""Stock nodes on our MODEL: each runs in the real host and changes the result as it should."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from stock import FRAMES, LIKE_SD, SIDE, Studio, differs

pytestmark = pytest.mark.host


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    """The host runs nodes this way."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def plain(studio: Studio) -> torch.Tensor:
    """What the stock KSampler makes of the unpatched MODEL."""
    with torch.inference_mode():
        return studio.sample()


def test_the_stock_sampler_is_repeatable_and_hears_the_sound(studio: Studio, plain: torch.Tensor) -> None:
    assert torch.equal(plain, studio.sample())
    assert differs(plain, studio.sample(positive=studio.reference_only))
    assert differs(plain, studio.sample(negative=studio.reference_only))


@pytest.mark.parametrize(
    ("node_id", "inputs"),
    [
        ("FreeU_V2", {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}),
        ("FreeU", {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}),
        ("PerturbedAttentionGuidance", {"scale": 3.0}),
        ("SelfAttentionGuidance", {"scale": 0.5, "blur_sigma": 2.0}),
        ("RescaleCFG", {"multiplier": 0.7}),
    ],
)
def test_a_patched_model_makes_another_video(studio: Studio, plain: torch.Tensor, node_id: str, inputs: dict) -> None:
    assert differs(plain, studio.sample(studio.patched(node_id, **inputs)))
    assert torch.equal(plain, studio.sample()), "the MODEL that was patched has changed itself"


@pytest.mark.parametrize(
    ("node_id", "inputs"),
    [
        ("FreeU_V2", {"b1": 1.0, "b2": 1.0, "s1": 1.0, "s2": 1.0}),
        ("PerturbedAttentionGuidance", {"scale": 0.0}),
        ("SelfAttentionGuidance", {"scale": 0.0, "blur_sigma": 2.0}),
        ("RescaleCFG", {"multiplier": 0.0}),
    ],
)
def test_a_patch_of_no_strength_changes_nothing(
    studio: Studio, plain: torch.Tensor, node_id: str, inputs: dict
) -> None:
    torch.testing.assert_close(studio.sample(studio.patched(node_id, **inputs)), plain, atol=1e-3, rtol=1e-3)


def guided(studio: Studio, guider: Any, sampler: str = "euler", scheduler: str = "simple", steps: int = 3) -> Any:
    """Latents by SamplerCustomAdvanced."""
    return studio.node(
        "SamplerCustomAdvanced",
        noise=studio.node("RandomNoise", noise_seed=3),
        guider=guider,
        sampler=studio.node("KSamplerSelect", sampler_name=sampler),
        sigmas=studio.node("BasicScheduler", model=studio.model, scheduler=scheduler, steps=steps, denoise=1.0),
        latent_image=studio.latent,
    )["samples"]


def ours(studio: Studio, model: Any = None, latent: Any = None, **conds: Any) -> torch.Tensor:
    """Latents by our own loop over clips, with one guidance scale."""
    host = studio.ours["nodes.host.sampling"]
    model = model or studio.model
    conds = {"full": studio.full, "reference_only": studio.reference_only, "none": studio.none} | conds
    guider = host.make_guider(model, **conds, scale=1.5, audio_scale=1.5)
    sigmas = host.make_sigmas(model, "simple", 3, 1.0)
    noise, sampler = host.SeededNoise(3), host.make_sampler("euler")
    return host.sample_clips(guider, noise, sampler, sigmas, latent or studio.latent, 0, None)["samples"]


def test_every_way_to_sample_gives_the_same(studio: Studio, plain: torch.Tensor) -> None:
    guider = studio.node("CFGGuider", model=studio.model, positive=studio.full, negative=studio.none, cfg=1.5)
    assert torch.equal(guided(studio, guider), plain)
    assert torch.equal(ours(studio), plain)
    halves = {"model": studio.model, "noise_seed": 3, "steps": 4, "cfg": 1.5, "sampler_name": "euler"}
    halves |= {"scheduler": "simple", "positive": studio.full, "negative": studio.none}
    first = studio.node(
        "KSamplerAdvanced", **halves, add_noise="enable", latent_image=studio.latent, start_at_step=0, end_at_step=2,
        return_with_leftover_noise="enable",
    )  # fmt: skip
    second = studio.node(
        "KSamplerAdvanced", **halves, add_noise="disable", latent_image=first, start_at_step=2, end_at_step=4,
        return_with_leftover_noise="disable",
    )  # fmt: skip
    torch.testing.assert_close(second["samples"], studio.sample(steps=4), atol=1e-3, rtol=1e-3)


def test_dual_guidance_scales_portrait_and_sound_apart(studio: Studio, plain: torch.Tensor) -> None:
    def dual(reference: float, sound: float) -> torch.Tensor:
        guider = studio.node(
            "DualCFGGuider", model=studio.model, cond1=studio.full, cond2=studio.reference_only,
            negative=studio.none, cfg_conds=sound, cfg_cond2_negative=reference, style="regular",
        )  # fmt: skip
        return guided(studio, guider)

    host = studio.ours["nodes.host.sampling"]
    emo = host.make_guider(studio.model, studio.full, studio.reference_only, studio.none, 1.5, 2.5)
    torch.testing.assert_close(dual(1.5, 2.5), guided(studio, emo), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(dual(1.5, 1.5), plain, atol=1e-3, rtol=1e-3)
    assert differs(dual(1.5, 2.5), plain)
    assert differs(dual(2.5, 1.5), dual(1.5, 2.5))


def lora(studio: Studio, names: dict[str, str], path: Path) -> Path:
    """A rank-2 LoRA file for layers of ours under the names people train them with."""
    weights = studio.model.model.diffusion_model.state_dict()
    generator = torch.Generator().manual_seed(5)
    tensors = {}
    for name, key in names.items():
        out, inner = weights[f"{key}.weight"].flatten(1).shape
        tensors[f"{name}.lora_down.weight"] = torch.randn(2, inner, generator=generator)
        tensors[f"{name}.lora_up.weight"] = torch.randn(out, 2, generator=generator) * 0.3
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
    save_file(tensors, path)
    return path


STOCK_LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUR_LAYER = "mid_block.attentions.0.transformer_blocks.0.audio_attn.to_out.0"


@pytest.mark.parametrize("layer", [STOCK_LAYER, OUR_LAYER], ids=["stable diffusion's", "ours"])
def test_a_kohya_lora_adds_its_product(
    studio: Studio, plain: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: str
) -> None:
    file = lora(studio, {"lora_unet_" + layer.replace(".", "_"): layer}, tmp_path / "style.safetensors")
    folders = importlib.import_module("folder_paths")
    monkeypatch.setitem(folders.folder_names_and_paths, "loras", ([str(tmp_path)], {".safetensors"}))
    patched = studio.patched("LoraLoaderModelOnly", lora_name=file.name, strength_model=0.5)
    assert differs(studio.sample(patched), plain)
    weight = patched.model.state_dict()[f"diffusion_model.{layer}.weight"].clone()
    assert torch.equal(studio.sample(), plain), "the weights were not put back"
    before = patched.model.state_dict()[f"diffusion_model.{layer}.weight"]
    tensors = load_file(file)
    name = "lora_unet_" + layer.replace(".", "_")
    product = tensors[f"{name}.lora_up.weight"] @ tensors[f"{name}.lora_down.weight"]
    torch.testing.assert_close(weight - before, 0.5 * product, atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def controlnet(studio: Studio) -> Any:
    """A ControlNet of Stable Diffusion's kind with random weights, as wide as our model."""
    cldm, ops = importlib.import_module("comfy.cldm.cldm"), importlib.import_module("comfy.ops")
    network = cldm.ControlNet(
        image_size=32, in_channels=4, hint_channels=3, model_channels=32, num_res_blocks=[1, 1, 1],
        channel_mult=(1, 2, 4), transformer_depth=[1, 1, 0], transformer_depth_middle=1, num_heads=2,
        use_spatial_transformer=True, context_dim=768, dtype=torch.float32, device="cpu",
        operations=ops.disable_weight_init,
    ).eval()  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * parameter[0].numel() ** -0.5
    device = importlib.import_module("comfy.model_management").get_torch_device()
    return importlib.import_module("comfy.controlnet").ControlNet(network, load_device=device)


def controlled(studio: Studio, controlnet: Any, hints: torch.Tensor, conds: tuple[Any, Any]) -> tuple[Any, Any]:
    """Positive and negative behind ControlNetApplyAdvanced."""
    node = studio.nodes["ControlNetApplyAdvanced"]()
    return node.apply_controlnet(*conds, controlnet, hints, 1.0, 0.0, 1.0)


def test_a_controlnet_leads_each_frame_by_its_own_hint(studio: Studio, plain: torch.Tensor, controlnet: Any) -> None:
    hints = torch.rand(FRAMES, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(2))
    other = hints.clone()
    other[2] = 1 - other[2]
    made = []
    for pictures in (hints, other):
        positive, negative = controlled(studio, controlnet, pictures, (studio.full, studio.none))
        made.append(studio.sample(positive=positive, negative=negative))
    assert differs(made[0], plain)
    changes = (made[0] - made[1]).abs().mean((1, 2, 3))
    assert changes.argmax() == 2
    assert torch.equal(studio.sample(), plain)


def test_the_second_clip_follows_the_second_clips_hints(studio: Studio, controlnet: Any) -> None:
    full, _, none, latent = studio.conditionings(2 * FRAMES)
    hints = torch.rand(2 * FRAMES, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(2))
    other = hints.clone()
    other[FRAMES + 1] = 1 - other[FRAMES + 1]
    made = []
    for pictures in (hints, other):
        positive, negative = controlled(studio, controlnet, pictures, (full, none))
        made.append(ours(studio, latent=latent, full=positive, reference_only=positive, none=negative))
    assert torch.equal(made[0][:FRAMES], made[1][:FRAMES])
    assert differs(made[0][FRAMES:], made[1][FRAMES:])


def test_an_easy_cache_skips_steps(studio: Studio) -> None:
    settings = {"start_percent": 0.0, "end_percent": 1.0, "verbose": False}
    plain = studio.sample(steps=8)
    assert differs(plain, studio.sample(studio.patched("EasyCache", reuse_threshold=5.0, **settings), steps=8))
    never = studio.sample(studio.patched("EasyCache", reuse_threshold=0.0, **settings), steps=8)
    torch.testing.assert_close(never, plain, atol=1e-3, rtol=1e-3)


def test_another_model_sampling_is_another_schedule(studio: Studio, plain: torch.Tensor) -> None:
    same = studio.sample(studio.patched("ModelSamplingDiscrete", sampling="eps", zsnr=False))
    torch.testing.assert_close(same, plain, atol=1e-2, rtol=1e-2)
    assert differs(plain, studio.sample(studio.patched("ModelSamplingDiscrete", sampling="v_prediction", zsnr=True)))
    lcm = studio.patched("ModelSamplingDiscrete", sampling="lcm", zsnr=False)
    assert differs(plain, studio.sample(lcm, sampler_name="lcm"))


def test_denoise_keeps_the_video_that_came_in(studio: Studio) -> None:
    video = {"samples": torch.randn(studio.latent["samples"].shape, generator=torch.Generator().manual_seed(7))}
    changes = [
        (studio.sample(latent_image=video, denoise=denoise, steps=4) - video["samples"]).abs().mean()
        for denoise in (0.25, 0.5, 1.0)
    ]
    assert 0 < changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("differential", [False, True])
def test_a_noise_mask_changes_only_the_mouth(studio: Studio, differential: bool) -> None:
    video = torch.randn(studio.latent["samples"].shape, generator=torch.Generator().manual_seed(7))
    mask = torch.zeros(FRAMES, 1, SIDE, SIDE)
    mask[:, :, 32:48, 16:48] = 1
    model = studio.patched("DifferentialDiffusion") if differential else studio.model
    made = studio.sample(model, latent_image={"samples": video, "noise_mask": mask})
    outside = torch.nn.functional.interpolate(mask, (8, 8)).expand_as(video) == 0
    torch.testing.assert_close(made[outside], video[outside], atol=1e-4, rtol=1e-4)
    assert differs(made[~outside], video[~outside])


def test_a_timestep_range_turns_the_sound_on_and_off(studio: Studio, plain: torch.Tensor) -> None:
    def ranged(cond: Any, start: float, end: float) -> Any:
        return studio.node("ConditioningSetTimestepRange", conditioning=cond, start=start, end=end)

    def both(middle: float) -> Any:
        return studio.node(
            "ConditioningCombine",
            conditioning_1=ranged(studio.full, 0.0, middle),
            conditioning_2=ranged(studio.reference_only, middle, 1.0),
        )

    assert torch.equal(studio.sample(positive=ranged(studio.full, 0.0, 1.0)), plain)
    half = studio.sample(positive=both(0.5))
    assert differs(half, plain)
    assert differs(half, studio.sample(positive=studio.reference_only))


def test_two_models_merge_by_their_weights(studio: Studio, plain: torch.Tensor, tmp_path: Path) -> None:
    other, _, _ = studio.load(tmp_path / "other.safetensors", seed=1)
    layer = f"diffusion_model.{STOCK_LAYER}.weight"
    mine, theirs = studio.model.model.state_dict()[layer].clone(), other.model.state_dict()[layer].clone()

    def merged(ratio: float) -> Any:
        return studio.node("ModelMergeSimple", model1=studio.model, model2=other, ratio=ratio)

    torch.testing.assert_close(studio.sample(merged(0.0)), studio.sample(other), atol=1e-3, rtol=1e-3)
    half = merged(0.5)
    assert differs(studio.sample(half), plain)
    torch.testing.assert_close(half.model.state_dict()[layer], (mine + theirs) / 2)
    assert torch.equal(studio.sample(merged(1.0)), plain)


WINDOWS = {
    "context_length": 4, "context_overlap": 2, "context_schedule": "standard_static", "context_stride": 1,
    "closed_loop": False, "fuse_method": "pyramid", "dim": 0,
}  # fmt: skip


def windowed(studio: Studio, **changes: Any) -> Any:
    """The MODEL behind Context Windows, with whatever a newer host asks for besides."""
    kind = studio.nodes["ContextWindowsManual"]
    later = {"freenoise": False, "cond_retain_index_list": "", "split_conds_to_windows": False}
    later |= {"latent_retain_index_list": "", "causal_window_fix": False}
    known = inspect.signature(kind.execute).parameters
    return studio.patched(
        "ContextWindowsManual", **WINDOWS | changes, **{key: value for key, value in later.items() if key in known}
    )


def test_context_windows_see_the_sound_of_their_frames(studio: Studio, plain: torch.Tensor) -> None:
    full, reference_only, none, latent = studio.conditionings(10)
    video = {"positive": full, "negative": none, "latent_image": latent}
    together, in_windows = studio.sample(**video), studio.sample(windowed(studio), **video)
    assert differs(together, in_windows)
    assert differs(in_windows, studio.sample(windowed(studio), **video | {"positive": reference_only}))
    one = studio.sample(windowed(studio, context_length=10), **video)
    assert torch.equal(one, together)
    # without overlap the first window is a clip of its own
    noise = studio.sample(windowed(studio, context_overlap=0, fuse_method="flat"), **video)
    features = full[0][1]["emo"]
    first = [[[cond[0][0], {"emo": cond[0][1]["emo"].at(range(4))}]] for cond in (full, none)]
    alone = studio.sample(positive=first[0], negative=first[1], latent_image={"samples": latent["samples"][:4]})
    assert features.audio.shape[0] == 10
    torch.testing.assert_close(noise[:4], alone, atol=1e-3, rtol=1e-3)


def test_more_frames_than_the_model_counts_are_named(studio: Studio) -> None:
    full, _, none, latent = studio.conditionings(40)
    with pytest.raises(ValueError, match="40 frames at once and 2 motion frames are more than the 32 this model"):
        studio.sample(positive=full, negative=none, latent_image=latent)


def test_previews_show_the_colours_of_the_latents(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview, folders = importlib.import_module("latent_preview"), importlib.import_module("folder_paths")
    options, taesd = importlib.import_module("comfy.cli_args"), importlib.import_module("comfy.taesd.taesd")
    monkeypatch.setitem(folders.folder_names_and_paths, "vae_approx", ([str(tmp_path)], {".safetensors"}))
    weights = taesd.TAESD().taesd_decoder.state_dict()
    weights = {key: torch.randn(value.shape) * value[0].numel() ** -0.5 for key, value in weights.items()}
    save_file(weights, tmp_path / "taesd_decoder.safetensors")
    formats = importlib.import_module("comfy.latent_formats")
    for method, latent_format, kind in (
        (options.LatentPreviewMethod.Latent2RGB, studio.model.model.latent_format, "Latent2RGBPreviewer"),
        (options.LatentPreviewMethod.TAESD, stock_format(studio), "TAESDPreviewerImpl"),
    ):
        monkeypatch.setattr(options.args, "preview_method", method)
        previewer = preview.get_previewer(torch.device("cpu"), latent_format)
        assert type(previewer).__name__ == kind
        _, picture, _ = previewer.decode_latent_to_preview_image("JPEG", 20 * torch.randn(FRAMES, 4, 8, 8))
        assert len(set(picture.convert("RGB").tobytes())) > 1
    assert isinstance(stock_format(studio), formats.SD15)


def stock_format(studio: Studio) -> Any:
    """The latent format of a model of ours that keeps Stable Diffusion's VAE."""
    config, layers = studio.ours["emo_core.config"], studio.ours["nodes.host.layers"]
    emo = config.EmoConfig.from_dict({**LIKE_SD.to_dict(), "vae": config.VaeConfig().__dict__})
    return studio.ours["nodes.host.model"].EmoModelConfig(emo, layers.Precision(torch.float32, None)).latent_format


@pytest.mark.slow
def test_a_compiled_model_gives_the_same_frames(studio: Studio, plain: torch.Tensor) -> None:
    compiled = studio.sample(studio.patched("TorchCompileModel", backend="inductor"))
    torch.testing.assert_close(compiled, plain, atol=1e-2, rtol=1e-2)


def test_token_merging_changes_the_video(studio: Studio, plain: torch.Tensor) -> None:
    assert differs(plain, studio.sample(studio.patched("TomePatchModel", ratio=0.5)))


@pytest.mark.parametrize("node_id", ["HyperTile", "PatchModelAddDownscale"])
def test_what_cannot_work_says_so(studio: Studio, plain: torch.Tensor, node_id: str) -> None:
    inputs = {
        "HyperTile": {"tile_size": 1, "swap_size": 2, "max_depth": 0, "scale_depth": False},
        "PatchModelAddDownscale": {
            "block_number": 1, "downscale_factor": 2.0, "start_percent": 0.0, "end_percent": 1.0,
            "downscale_after_skip": True, "downscale_method": "bicubic", "upscale_method": "bicubic",
        },
    }[node_id]  # fmt: skip
    with pytest.raises(ValueError, match="take that node out"):
        studio.sample(studio.patched(node_id, **inputs))
    assert torch.equal(studio.sample(), plain)
