"""Published sizes through the load node, and one denoising step; figures go to docs/checkpoints.md.

Needs gigabytes and minutes: runs only where EMO_FULL_SIZE names a folder that `scripts/full_size.py` filled. Run each
release in a process of its own (`-k hallo`): the peak of memory is the process's.
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path

import pytest
import torch

FOLDER = Path(os.environ.get("EMO_FULL_SIZE", "."))
SIZE, FRAMES = 256, 4
pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif("EMO_FULL_SIZE" not in os.environ, reason="EMO_FULL_SIZE names no folder"),
]


def peak() -> int:
    """The most bytes of memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("name", ["hallo", "echomimic", "v_express"])
def test_a_full_size_checkpoint_loads_and_takes_a_step(
    ours, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = list((FOLDER / "emo" / name).glob("*"))
    if not files:
        pytest.skip(f"no {name} in {FOLDER / 'emo'}")
    import folder_paths

    ours["nodes.host.folders"].register_model_folder()
    for kind in ("emo", "vae", "audio_encoders"):
        _, extensions = folder_paths.folder_names_and_paths.get(kind, ([], set()))
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(FOLDER / kind)], extensions))
    conditioning, sampling = ours["nodes.conditioning"], ours["nodes.host.sampling"]
    before, begin = peak(), time.monotonic()
    model, encoders, vae = ours["nodes.loaders"].LoadModel.execute(name, "default").args
    figures = {"load_seconds": time.monotonic() - begin, "load_peak_bytes": peak() - before}
    generator = torch.Generator().manual_seed(0)
    portrait = torch.rand(1, SIZE, SIZE, 3, generator=generator)
    audio = {"waveform": 0.1 * torch.randn(1, 1, 16000, generator=generator), "sample_rate": 16000}
    (reference,) = conditioning.EncodeReference.execute(encoders, vae, portrait, SIZE).args
    emo_audio, *_ = conditioning.EncodeAudio.execute(encoders, audio, 0.0, 0.0, 0.0).args
    region, _ = conditioning.EncodeFaceRegion.execute(encoders, SIZE, 0.1).args
    *conds, latent = conditioning.Condition.execute(reference, emo_audio, region, None).args
    latent["samples"] = latent["samples"][:FRAMES]
    guider = sampling.make_guider(model, *conds, 3.5, 3.5)
    sampler, sigmas = sampling.make_steps(model, "emo_ddim", "simple", 1, 1.0)
    begin = time.monotonic()
    made = sampling.sample_clips(guider, sampling.SeededNoise(0), sampler, sigmas, latent, FRAMES, None)
    size = sum(file.stat().st_size for file in files)
    figures |= {"step_seconds": time.monotonic() - begin, "peak_bytes": peak(), "file_bytes": size}
    (FOLDER / f"{name}.json").write_text(json.dumps(figures, indent=1))
    assert made["samples"].shape == (FRAMES, 4, SIZE // 8, SIZE // 8)
    assert torch.isfinite(made["samples"]).all()
    assert figures["load_peak_bytes"] < 1.3 * size
