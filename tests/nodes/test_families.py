"""Every published family through the real nodes: the host's way makes what the way without a host makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.tiny import write_audio_encoders, write_release, write_vae

SIZE = 64
WIDGETS = {"hallo": (2, 3.5), "hallo2": (2, 3.5), "echomimic": (3, 2.5), "echomimic_acc": (6, 1.0)}
WIDGETS["v_express"] = (3, 3.5)
"""Steps and guidance of each release, few enough for a test; 3 and 6 do not divide 1000."""
SECONDS = {"hallo": 0.8, "hallo2": 0.8, "echomimic": 0.8, "echomimic_acc": 0.4, "v_express": 1.6}
"""Hallo: a clip and a half; EchoMimic: two windows and one; V-Express: two windows."""
FRAMES = {"hallo": 20, "hallo2": 20, "echomimic": 20, "echomimic_acc": 10, "v_express": 44}


@pytest.fixture(scope="module")
def models(ours, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models/emo with every release, and ComfyUI's own folders with what they share."""
    root = tmp_path_factory.mktemp("models")
    for name in WIDGETS:
        folder = "echomimic" if name == "echomimic_acc" else name
        write_release(name, root / "emo" / folder, ".pth" if name != "v_express" else ".bin")
    write_vae(root / "vae" / "vae-ft-mse-840000-ema-pruned.safetensors")
    write_audio_encoders(root / "audio_encoders")
    return root


@pytest.fixture
def folders(ours, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host looks for models there and nowhere else."""
    import folder_paths

    ours["nodes.host.folders"].register_model_folder()
    for kind in ("emo", "vae", "audio_encoders"):
        _, extensions = folder_paths.folder_names_and_paths.get(kind, ([], set()))
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(models / kind)], extensions))
    return models / "emo"


class Run:
    """What a user draws: load, five nodes, sample."""

    def __init__(self, ours, name: str) -> None:
        self.ours, self.name = ours, name
        generator = torch.Generator().manual_seed(1)
        self.portrait = torch.rand(1, SIZE, SIZE, 3, generator=generator)
        self.embedding = torch.randn(8, generator=generator)
        samples = 0.1 * torch.randn(1, 1, round(SECONDS[name] * 16000), generator=generator)
        self.audio = {"waveform": samples, "sample_rate": 16000}
        self.mask = torch.zeros(1, SIZE, SIZE)
        self.mask[:, 12:50, 16:48] = 1
        self.lips = torch.zeros(1, SIZE, SIZE)
        self.lips[:, 38:44, 26:40] = 1
        self.points = "0.4 0.35, 0.6 0.36, 0.5 0.55"

    def nodes(self) -> tuple[torch.Tensor, float]:
        """Latents and frame rate by the nodes."""
        conditioning, loaders = self.ours["nodes.conditioning"], self.ours["nodes.loaders"]
        steps, scale = WIDGETS[self.name]
        model, encoders, vae = loaders.LoadModel.execute(self.name, "default").args
        (reference,) = conditioning.EncodeReference.execute(
            encoders, vae, self.portrait, SIZE, self.embedding
        ).args
        emo_audio, _, fps, frames = conditioning.EncodeAudio.execute(encoders, self.audio, 0.0, 0.0, 0.0).args
        region, _ = conditioning.EncodeFaceRegion.execute(
            encoders, SIZE, 0.1, self.mask, self.lips, None, self.points
        ).args
        *conds, latent = conditioning.Condition.execute(reference, emo_audio, region, None).args
        assert frames == FRAMES[self.name] == latent["samples"].shape[0]
        sampling = self.ours["nodes.host.sampling"]
        guider = sampling.make_guider(model, *conds, scale, scale)
        sampler, sigmas = sampling.make_steps(model, "emo_ddim", "simple", steps, 1.0)
        made = sampling.sample_clips(guider, sampling.SeededNoise(5), sampler, sigmas, latent, 0, None)
        median = made.get(self.ours["nodes.values"].MEDIAN, False)
        self.pictures = self.ours["nodes.host.video"].decode_frames(made["samples"], vae, 0, 0, None, median=median)
        self.decoded = vae.decode(made["samples"])
        assert self.pictures.shape == (frames, SIZE, SIZE, 3)
        assert torch.isfinite(self.pictures).all()
        return made["samples"], fps

    def host_free(self, folder: Path, *, pictures: bool = False) -> Any:
        """The same by `Animator`, or its pictures."""
        animate = self.ours["emo_core.animate"]
        path = folder / ("echomimic" if self.name == "echomimic_acc" else self.name)
        shared = [folder.parent / "vae", folder.parent / "audio_encoders"]
        animator = animate.Animator.open(path, shared, self.name)
        steps, scale = WIDGETS[self.name]
        wish = animate.Wish(seed=5, steps=steps, guidance=scale, audio_guidance=scale, margin=0.1)
        points = self.ours["emo_core.face.landmarks"].parse_points(self.points) * SIZE
        face = animate.Face(self.mask[0], self.lips[0], points, self.embedding)
        sound = self.ours["emo_core.media.video"].Sound(self.audio["waveform"][0], 16000)
        if pictures:
            return torch.cat(list(animator.animate(self.portrait[0], sound, wish, face=face)))
        latents = torch.cat(list(animator.sample(self.portrait[0], sound, wish, face=face)))
        return latents / animator.config.vae.scaling, animator.length(sound, wish)[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", WIDGETS)
def test_the_nodes_make_what_the_networks_make_without_a_host(ours, folders: Path, name: str) -> None:
    run = Run(ours, name)
    (made, fps), (expected, wanted) = run.nodes(), run.host_free(folders)
    assert fps == pytest.approx(wanted)
    assert ((made - expected).norm() / expected.norm()).item() < 1e-3


@pytest.mark.slow
def test_the_finished_video_of_v_express_goes_through_its_median_filter(ours, folders: Path) -> None:
    run = Run(ours, "v_express")
    run.nodes()
    expected = run.host_free(folders, pictures=True)
    assert (run.pictures - expected).abs().max() < 1e-3
    assert (run.pictures - run.decoded).abs().max() > 1e-2
    filtered = ours["emo_core.diffusion.median"].median_filtered(iter([run.decoded]))
    torch.testing.assert_close(torch.cat(list(filtered)), run.pictures, atol=1e-5, rtol=0)
