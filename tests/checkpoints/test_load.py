"""Published files, dropped into a folder, become networks."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from emo_core.backend import Backend
from emo_core.checkpoints.audio_encoders import open_audio_encoder
from emo_core.checkpoints.companions import SD_VAE, WAV2VEC2_BASE
from emo_core.checkpoints.detect import find_companion
from emo_core.checkpoints.errors import (
    CheckpointError,
    MissingFileError,
    MissingKeyError,
    ShapeError,
    UnknownFamilyError,
    UnknownKeyError,
    UnreadableFileError,
)
from emo_core.checkpoints.files import read_shapes, read_tensors
from emo_core.checkpoints.load import build_backbone, build_encoders, load_vae, open_checkpoint
from emo_core.checkpoints.registry import RELEASES
from emo_core.config import VaeConfig
from emo_core.models.vae import AutoencoderKL

from .tiny import (
    family_of_release,
    small_config,
    write,
    write_audio_encoders,
    write_release,
    write_vae,
)

BACKEND = Backend()


def in_memory(path: Path) -> dict[str, torch.Tensor]:
    """A file's tensors apart from the file, so that it can be written again."""
    return {key: value.clone() for key, value in read_tensors(path).items()}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_published_files_load_untouched(release, suffix: str, tmp_path: Path) -> None:
    written = write_release(release.name, tmp_path / "downloads", suffix)
    checkpoint = open_checkpoint(tmp_path / "downloads", release=release.name)
    assert checkpoint.family is family_of_release(release)
    assert checkpoint.config.unet == small_config(checkpoint.family).unet
    backbone, encoders = build_backbone(checkpoint, BACKEND), build_encoders(checkpoint, BACKEND)
    parameters = dict(backbone.state_dict())
    assert {value.dtype for value in parameters.values()} == {torch.float16}
    key = "mid_block.resnets.0.conv1.weight"
    assert torch.equal(parameters[key], written[f"denoising_unet.{key}"])
    assert not any(p.requires_grad or p.is_meta for p in (*backbone.parameters(), *encoders.parameters()))


def test_nothing_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emo_core.backend.NARROW", 0)  # the stand-in is as narrow as no published network
    write_release("hallo", tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    backbone = build_backbone(checkpoint, BACKEND)
    assert backbone.conv_in.weight.data_ptr() == checkpoint.tensors["backbone.conv_in.weight"].data_ptr()


def test_the_family_is_found_from_the_tensors_and_not_from_the_folder(tmp_path: Path) -> None:
    write_release("v_express", tmp_path / "hallo")
    assert open_checkpoint(tmp_path / "hallo").family.name == "v_express"


def test_one_file_of_several_can_be_chosen(tmp_path: Path) -> None:
    write_release("echomimic", tmp_path)
    assert open_checkpoint(tmp_path / "face_locator.pth").family.name == "echomimic"


def test_accelerated_weights_are_known_by_their_names_or_by_choice(tmp_path: Path) -> None:
    write_release("echomimic_acc", tmp_path)
    alone = open_checkpoint(tmp_path)
    assert alone.release is not None
    assert alone.release.name == "echomimic_acc"
    assert (alone.config.preset.steps, alone.config.preset.guidance) == (6, 1.0)
    write_release("echomimic", tmp_path)
    names = {
        "default": open_checkpoint(tmp_path).release,
        "chosen": open_checkpoint(tmp_path, release="echomimic_acc").release,
        "by file": open_checkpoint(tmp_path / "denoising_unet_acc.pth").release,
    }
    found = {how: release.name for how, release in names.items() if release}
    assert found == {"default": "echomimic", "chosen": "echomimic_acc", "by file": "echomimic_acc"}


def test_hallo2_is_known_by_its_folder_or_by_choice(tmp_path: Path) -> None:
    write_release("hallo", tmp_path / "weights")
    write_release("hallo2", tmp_path / "emo" / "hallo2")
    assert open_checkpoint(tmp_path / "weights").config.long_video.motion_mask == 0
    assert open_checkpoint(tmp_path / "weights", release="hallo2").config.long_video.motion_mask == 0.25
    assert open_checkpoint(tmp_path / "emo" / "hallo2").config.long_video.motion_mask == 0.25
    assert open_checkpoint(tmp_path / "emo" / "hallo2" / "net.pth").config.long_video.motion_mask == 0.25


def test_one_file_checkpoints_may_have_any_name(tmp_path: Path) -> None:
    write_release("hallo", tmp_path)
    (tmp_path / "net.pth").rename(tmp_path / "my_hallo.pth")
    assert open_checkpoint(tmp_path / "my_hallo.pth").family.name == "hallo"
    assert open_checkpoint(tmp_path).family.name == "hallo"


def test_a_choice_of_another_family_is_refused(tmp_path: Path) -> None:
    write_release("hallo", tmp_path)
    with pytest.raises(UnknownFamilyError, match="is Hallo, not V-Express"):
        open_checkpoint(tmp_path / "net.pth", release="v_express")


def test_the_motion_modules_own_file_wins(tmp_path: Path) -> None:
    written = write_release("v_express", tmp_path, ".bin")
    key = "mid_block.motion_modules.0.temporal_transformer.norm.weight"
    everything = {
        k.removeprefix("denoising_unet."): v for k, v in written.items() if k.startswith("denoising")
    }
    write(tmp_path / "denoising_unet.bin", {**everything, key: torch.full_like(everything[key], 7.0)})
    backbone = build_backbone(open_checkpoint(tmp_path), BACKEND)
    assert torch.equal(backbone.state_dict()[key], everything[key])


def test_missing_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    write_release("v_express", tmp_path)
    (tmp_path / "motion_module.pth").unlink()
    with pytest.raises(MissingFileError) as caught:
        open_checkpoint(tmp_path)
    message = str(caught.value)
    assert "motion_module.bin (about 0.91 GB)" in message
    assert str(tmp_path) in message
    assert "models download v_express" in message


def test_an_unknown_tensor_is_named(tmp_path: Path) -> None:
    write_release("hallo", tmp_path)
    write(tmp_path / "net.pth", {**in_memory(tmp_path / "net.pth"), "lip_reader.weight": torch.zeros(1)})
    with pytest.raises(UnknownKeyError, match=r"lip_reader\.weight"):
        open_checkpoint(tmp_path)


def test_a_surplus_tensor_inside_a_network_is_named(tmp_path: Path) -> None:
    write_release("hallo", tmp_path)
    surplus = {"denoising_unet.mid_block.gate": torch.zeros(1)}
    write(tmp_path / "net.pth", {**in_memory(tmp_path / "net.pth"), **surplus})
    with pytest.raises(UnknownKeyError, match=r"mid_block\.gate"):
        build_backbone(open_checkpoint(tmp_path), BACKEND)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    write_release("hallo", tmp_path)
    tensors = in_memory(tmp_path / "net.pth")
    del tensors["denoising_unet.mid_block.resnets.1.conv2.bias"]
    write(tmp_path / "net.pth", tensors)
    with pytest.raises(MissingKeyError, match=r"mid_block\.resnets\.1\.conv2\.bias"):
        build_backbone(open_checkpoint(tmp_path), BACKEND)


def test_a_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    write_release("hallo", tmp_path)
    tensors = in_memory(tmp_path / "net.pth")
    tensors["denoising_unet.conv_out.bias"] = torch.zeros(9)
    write(tmp_path / "net.pth", tensors)
    with pytest.raises(ShapeError, match=r"conv_out\.bias' of the backbone is \(9,\), needed is \(4,\)"):
        build_backbone(open_checkpoint(tmp_path), BACKEND)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(UnknownFamilyError, match="supported are"):
        open_checkpoint(tmp_path)
    with pytest.raises(MissingFileError, match="there is no"):
        open_checkpoint(tmp_path / "nowhere")


class Runs:
    """Something that would run code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (print, ("this must not be printed",))


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save({"weight": Runs()}, tmp_path / "net.pth")
    with pytest.raises(UnreadableFileError, match="not a weight file"):
        read_tensors(tmp_path / "net.pth")
    assert "must not" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "pointer of git-lfs"),
        (b"<html>404", "download it again"),
    ],
)
def test_a_file_that_only_looks_like_weights_says_what_it_is(
    content: bytes, advice: str, tmp_path: Path
) -> None:
    for name in ("net.pth", "net.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableFileError, match=advice):
            read_shapes(tmp_path / name)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    write_release("hallo", tmp_path)
    path = tmp_path / "net.pth"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(UnreadableFileError, match=r"net\.pth"):
        open_checkpoint(tmp_path)


def test_old_and_wrapped_pickles_are_read(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.ones(2, 3)}
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "new.ckpt")
    torch.save(tensors, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("new.ckpt", "old.pt"):
        assert read_shapes(tmp_path / name) == {"a.weight": (2, 3)}
        assert torch.equal(read_tensors(tmp_path / name)["a.weight"], tensors["a.weight"])


def vae_tensors() -> dict[str, torch.Tensor]:
    config = VaeConfig(channels=(8, 8, 16, 16), layers_per_block=1, groups=4)
    torch.manual_seed(0)
    return dict(AutoencoderKL(config, backend=BACKEND).state_dict())


def test_a_vae_loads_under_the_names_of_stable_diffusion(tmp_path: Path) -> None:
    tensors = vae_tensors()
    original = {}
    for key, value in tensors.items():
        side, _, rest = key.partition(".")
        for new, old in (
            ("down_blocks.", "down."),
            ("up_blocks.", "up."),
            ("resnets.", "block."),
            ("downsamplers.0", "downsample"),
            ("upsamplers.0", "upsample"),
            ("mid_block.block.0", "mid.block_1"),
            ("mid_block.block.1", "mid.block_2"),
            ("mid_block.attentions.0.group_norm", "mid.attn_1.norm"),
            ("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"),
            ("mid_block.attentions.0.to_", "mid.attn_1."),
            ("conv_shortcut", "nin_shortcut"),
            ("conv_norm_out", "norm_out"),
        ):
            rest = rest.replace(new, old)
        if side == "decoder" and rest.startswith("up."):
            rest = f"up.{3 - int(rest[3])}{rest[4:]}"
        if "attn_1" in rest and value.ndim == 2:
            value = value[:, :, None, None]
        original[f"first_stage_model.{side}.{rest}" if rest else key] = value
    assert "first_stage_model.decoder.up.3.upsample.conv.weight" in original
    save_file(original | {"cond_stage_model.x": torch.zeros(1)}, tmp_path / "sd.safetensors")
    loaded = load_vae(tmp_path / "sd.safetensors", BACKEND, groups=4).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in tensors.items())


def test_companions_are_found_in_the_hosts_folders_too(tmp_path: Path) -> None:
    ours, vae = tmp_path / "emo", tmp_path / "vae"
    (ours / "sd-vae-ft-mse").mkdir(parents=True)
    vae.mkdir()
    save_file({"a": torch.zeros(1)}, vae / "vae-ft-mse-840000-ema-pruned.safetensors")
    assert find_companion(SD_VAE, [ours, vae]).parent == vae
    (ours / "sd-vae-ft-mse" / "diffusion_pytorch_model.bin").write_bytes(b"")
    save_file({"a": torch.zeros(1)}, ours / "sd-vae-ft-mse" / "diffusion_pytorch_model.safetensors")
    assert find_companion(SD_VAE, [ours, vae]).suffix == ".safetensors"
    with pytest.raises(MissingFileError, match="models download wav2vec2-base-960h"):
        find_companion(WAV2VEC2_BASE, [ours, vae])


def test_something_else_is_no_audio_encoder(tmp_path: Path) -> None:
    save_file(vae_tensors(), tmp_path / "vae.safetensors")
    with pytest.raises(CheckpointError, match=r"vae\.safetensors"):
        open_audio_encoder(tmp_path / "vae.safetensors")


def test_precision_can_be_raised_while_reading(tmp_path: Path) -> None:
    write_release("hallo", tmp_path, ".safetensors")
    assert next(iter(load_file(tmp_path / "net.safetensors").values())).dtype == torch.float16
    checkpoint = open_checkpoint(tmp_path, dtype=torch.float32)
    assert {value.dtype for value in checkpoint.tensors.values()} == {torch.float32}


@pytest.mark.slow
def test_the_command_line_animates_with_published_files(tmp_path: Path) -> None:
    from PIL import Image

    from emo_core.__main__ import main
    from emo_core.media.video import read_frames

    assets = Path(__file__).resolve().parents[2] / "emo_core" / "assets" / "samples"
    write_release("echomimic_acc", tmp_path / "emo")
    write_vae(tmp_path / "shared" / "sd-vae-ft-mse.safetensors")
    write_audio_encoders(tmp_path / "shared")
    sound = tmp_path / "short.wav"
    cut_sound(assets / "emo_speech.wav", sound, seconds=0.25)
    Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
    out = tmp_path / "out.mp4"
    words = ["generate", str(assets / "emo_portrait.png"), str(sound), "-o", str(out), "--size", "64"]
    words += ["--model", str(tmp_path / "emo"), "--release", "echomimic_acc", "--steps", "1"]
    words += ["--models", str(tmp_path / "shared"), "--mask", str(tmp_path / "mask.png")]
    assert main(words) == 0
    assert len(list(read_frames(out))) == 6  # 0.25 s at 24 frames per second


def cut_sound(path: Path, target: Path, seconds: float) -> None:
    """The beginning of a WAV file."""
    with wave.open(str(path)) as whole, wave.open(str(target), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(round(seconds * whole.getframerate())))
