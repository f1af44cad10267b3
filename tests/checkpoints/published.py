"""Lists of published tensors, and where cases made with the authors' code lie beside the repository."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"
MANIFESTS = Path(__file__).with_name("published.json.gz")
"""Name and shape of every tensor by published module."""
Shapes = dict[str, tuple[int, ...]]

MODULES = {
    "hallo": {"": "hallo_net"},
    "hallo2": {"": "hallo_net"},
    "echomimic": {
        "reference_unet.": "echomimic_reference_unet",
        "denoising_unet.": ("echomimic_denoising_unet", "echomimic_motion_module"),
        "face_locator.": "echomimic_face_locator",
    },
    "v_express": {
        "reference_net.": "vexpress_reference_net",
        "denoising_unet.": ("vexpress_denoising_unet", "vexpress_motion_module"),
        "v_kps_guider.": "vexpress_v_kps_guider",
        "audio_projection.": "vexpress_audio_projection",
    },
    # not supported, and not to be taken for what is
    "echomimic_pose": {
        "reference_unet.": "echomimic_reference_unet",
        "denoising_unet.": ("echomimic_denoising_unet", "echomimic_motion_module"),
        "face_locator.": "echomimic_face_locator_pose",
    },
    "aniportrait": {
        "reference_unet.": "aniportrait_reference_unet",
        "denoising_unet.": ("aniportrait_denoising_unet", "aniportrait_motion_module"),
        "pose_guider.": "aniportrait_pose_guider",
    },
    "moore": {
        "reference_unet.": "moore_reference_unet",
        "denoising_unet.": ("moore_denoising_unet", "moore_motion_module"),
        "pose_guider.": "moore_pose_guider",
    },
}


@cache
def _manifests() -> dict[str, Shapes]:
    tables = json.loads(gzip.decompress(MANIFESTS.read_bytes()))
    return {
        name: {key: tuple(shape) for key, shape in table.items()} for name, table in tables.items()
    }


def manifest(name: str) -> Shapes:
    """Tensor names and shapes of one published module."""
    return dict(_manifests()[name])


def published_shapes(release: str) -> Shapes:
    """Tensor names (with their parts' prefixes) and shapes of a release's files."""
    shapes: Shapes = {}
    for prefix, names in MODULES[release].items():
        for name in (names,) if isinstance(names, str) else names:
            shapes.update({prefix + key: shape for key, shape in manifest(name).items()})
    return shapes


def golden(name: str) -> Path:
    """A case made with the authors' code; skips the test where there is none."""
    folder = SHARED / "goldens" / name
    if not folder.exists():
        pytest.skip(f"no case made with the authors' code in {folder}")
    return folder
