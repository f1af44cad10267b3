"""Random files of the published sizes, in the published layouts: what loads them loads the real ones.

    python scripts/full_size.py FOLDER hallo            models/emo/hallo and what it shares, about 5.6 GB
    EMO_FULL_SIZE=FOLDER python -m pytest -c tests/pytest.ini tests/nodes/test_full_size.py
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS = ROOT / "tests" / "checkpoints" / "published.json.gz"
Shapes = dict[str, list[int]]

RELEASES: dict[str, dict[str, tuple[str, ...]]] = {
    "hallo": {"net.pth": ("hallo_net",)},
    "echomimic": {
        "reference_unet.pth": ("echomimic_reference_unet",),
        "denoising_unet.pth": ("echomimic_denoising_unet",),
        "motion_module.pth": ("echomimic_motion_module",),
        "face_locator.pth": ("echomimic_face_locator",),
    },
    "v_express": {
        "reference_net.bin": ("vexpress_reference_net",),
        "denoising_unet.bin": ("vexpress_denoising_unet", "vexpress_motion_module"),
        "motion_module.bin": ("vexpress_motion_module",),
        "v_kps_guider.bin": ("vexpress_v_kps_guider",),
        "audio_projection.bin": ("vexpress_audio_projection",),
    },
}
DTYPES = {"hallo": torch.float16, "echomimic": torch.float32, "v_express": torch.float16}
SHARED = {
    "vae/sd-vae-ft-mse.safetensors": "common_sd_vae_ft_mse",
    "audio_encoders/wav2vec2-base-960h.safetensors": "vexpress_wav2vec2_base_960h",
    "audio_encoders/whisper_tiny.pt": "echomimic_whisper_tiny",
}


def make(name: str, folder: Path) -> int:
    """Write a release's files into `folder`/emo/`name`; their size in bytes."""
    tables: dict[str, Shapes] = json.loads(gzip.decompress(MANIFESTS.read_bytes()))
    total = 0
    for file, parts in RELEASES[name].items():
        path = folder / "emo" / name / file
        shapes = {key: shape for part in parts for key, shape in tables[part].items()}
        write(path, random_tensors(shapes, DTYPES[name]))
        total += path.stat().st_size
    for file, part in SHARED.items():
        if not (folder / file).exists():
            write(folder / file, random_tensors(tables[part], torch.float32))
    return total


def random_tensors(shapes: Shapes, dtype: torch.dtype) -> dict[str, Tensor]:
    """Tensors that keep activations near one: norms pass through, the rest is scaled by its inputs.

    Large ones repeat the same million numbers, which is quick.
    """
    noise = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    tensors = {}
    for key, shape in shapes.items():
        count = math.prod(shape)
        if len(shape) == 1:
            ones = key.endswith("weight") and "norm" in key
            tensors[key] = torch.full(shape, float(ones), dtype=dtype)
            continue
        scaled = (noise / math.sqrt(max(1, math.prod(shape[1:])))).to(dtype)
        tensors[key] = scaled.repeat(-(-count // len(noise)))[:count].reshape(shape).clone()
    return tensors


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    """As .safetensors or as a pickle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(tensors, path)
    else:
        torch.save(tensors, path)


def main() -> int:
    """Write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="becomes a models folder: emo, vae, audio_encoders")
    parser.add_argument("release", nargs="+", choices=list(RELEASES))
    args = parser.parse_args()
    for name in args.release:
        print(f"{name}: {make(name, args.folder) / 1e9:.2f} GB in {args.folder}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
