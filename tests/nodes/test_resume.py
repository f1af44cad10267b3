"""Clips on disk: a run that stopped goes on with identical frames, and nothing stale is ever used."""

import dataclasses
from pathlib import Path
from types import ModuleType

import pytest
import torch

FRAMES = 10  # three clips of four


@pytest.fixture
def output(comfy: ModuleType, tmp_path: Path) -> Path:
    """The host's output and temp folders, for one test."""
    import folder_paths

    before = folder_paths.get_output_directory(), folder_paths.get_temp_directory()
    folder_paths.set_output_directory(str(tmp_path / "output"))
    folder_paths.set_temp_directory(str(tmp_path / "temp"))
    yield tmp_path
    folder_paths.set_output_directory(before[0])
    folder_paths.set_temp_directory(before[1])


@pytest.fixture(scope="module")
def conditioned(ours, networks, encoded) -> tuple:
    """Three conditionings and the latent of a portrait and ten frames of noise."""
    values = ours["nodes.values"]
    with torch.inference_mode():
        return values.conditionings(*encoded(FRAMES), None, values.speed_of(networks[1], 0.5, 1, 25.0, ""))


class Run:
    """One video of two steps; counts the clips that are sampled and can stop before one of them."""

    def __init__(self, ours, model, conditioned: tuple, **changes) -> None:
        self.host, self.model, self.conditioned = ours["nodes.host.sampling"], model, conditioned
        self.choice = {"seed": 3, "cfg": 1.5, "steps": 2, "sampler": "euler", "clip_frames": 4} | changes

    def __call__(
        self,
        keep: bool = True,
        stop_before: int | None = None,
        error: type[BaseException] = KeyboardInterrupt,
    ) -> tuple[torch.Tensor, int]:
        choice, host = self.choice, self.host
        full, silent, nothing, latent = self.conditioned
        guider = host.make_guider(self.model, full, silent, nothing, choice["cfg"], 2.0)
        sample, made = guider.sample, 0

        def counted(*args, **kwargs):
            nonlocal made
            if made == stop_before:
                raise error("it stops here")
            made += 1
            return sample(*args, **kwargs)

        type(guider).sample, original = staticmethod(counted), type(guider).sample
        try:
            latents = host.sample_clips(
                guider,
                host.SeededNoise(choice["seed"]),
                host.make_sampler(choice["sampler"]),
                host.make_sigmas(self.model, "simple", choice["steps"], 1.0),
                latent,
                choice["clip_frames"],
                None,
                keep,
            )["samples"]
        finally:
            type(guider).sample = original
        return latents, made


def test_a_run_that_stopped_goes_on_with_identical_frames(ours, networks, conditioned, output) -> None:
    run = Run(ours, networks[0], conditioned)
    whole, _ = run(keep=False)
    with pytest.raises(KeyboardInterrupt):
        run(stop_before=2)
    latents, made = run()
    assert made == 1
    assert torch.equal(latents, whole)
    assert run()[1] == 0
    assert torch.equal(run()[0], whole)


def test_memory_that_runs_out_costs_one_clip_and_says_so(ours, networks, conditioned, output) -> None:
    import comfy.model_management as mm

    run = Run(ours, networks[0], conditioned)
    whole, _ = run(keep=False)
    with pytest.raises(
        mm.OOM_EXCEPTION, match=r"at clip 3 of 3\. The 2 before are on disk: queue the same again"
    ):
        run(stop_before=2, error=mm.OOM_EXCEPTION)
    latents, made = run()
    assert made == 1
    assert torch.equal(latents, whole)
    with pytest.raises(RuntimeError, match=r"^it stops here$"):  # another error stays what it is
        run(keep=False, stop_before=1, error=RuntimeError)
    with pytest.raises(mm.OOM_EXCEPTION, match=r"at clip 2 of 3\. A smaller size"):
        run(keep=False, stop_before=1, error=mm.OOM_EXCEPTION)


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"cfg": 1.6}, {"steps": 3}, {"sampler": "heun"}, {"clip_frames": 5}]
)
def test_another_setting_finds_nothing(ours, networks, conditioned, output, change: dict) -> None:
    Run(ours, networks[0], conditioned)()
    made = Run(ours, networks[0], conditioned, **change)()[1]
    assert made == -(-FRAMES // change.get("clip_frames", 4))


@pytest.mark.parametrize("name", ["audio", "speed", "reference"])
def test_another_condition_finds_nothing(ours, networks, conditioned, output, name: str) -> None:
    Run(ours, networks[0], conditioned)()
    full = conditioned[0]
    features = full[0][1]["emo"]
    value = getattr(features, name)
    changed = {key: item + 1e-6 for key, item in value.items()} if name == "reference" else value + 1e-6
    other = [[full[0][0], {**full[0][1], "emo": dataclasses.replace(features, **{name: changed})}]]
    assert Run(ours, networks[0], (other, *conditioned[1:]))()[1] == 3


def test_another_start_or_mask_finds_nothing(ours, networks, conditioned, output) -> None:
    Run(ours, networks[0], conditioned)()
    latent = conditioned[3]
    other = {"samples": latent["samples"] + 1e-6}
    masked = {**latent, "noise_mask": torch.ones(1, 1, 64, 64)}
    for start in (other, masked):
        assert Run(ours, networks[0], (*conditioned[:3], start))()[1] == 3


def test_a_lora_finds_nothing_and_taking_it_away_finds_the_old_run(
    ours, networks, conditioned, output
) -> None:
    model = networks[0]
    Run(ours, model, conditioned)()
    patched = model.clone()
    name = "diffusion_model.conv_in.weight"
    patched.add_patches({name: (0.1 * torch.ones_like(model.model.state_dict()[name]),)}, 0.5)
    assert Run(ours, patched, conditioned)()[1] == 3
    assert Run(ours, patched, conditioned)()[1] == 0  # though its weights are patched in place just now
    assert Run(ours, model, conditioned)()[1] == 0


def test_other_weights_find_nothing(ours, networks, conditioned, output) -> None:
    model = networks[0]
    Run(ours, model, conditioned)()
    weight = model.model.diffusion_model.conv_in.weight
    before = weight.clone()
    try:
        weight.mul_(1.001)
        assert Run(ours, model, conditioned)()[1] == 3
    finally:
        weight.copy_(before)


def test_what_cannot_be_compared_is_never_taken_up_again(ours, networks, conditioned, output) -> None:
    model = networks[0].clone()
    model.model_options["transformer_options"]["generator"] = (item for item in ())
    assert Run(ours, model, conditioned)()[1] == 3
    assert Run(ours, model, conditioned)()[1] == 3
    assert not list((output / "output").rglob("*"))
