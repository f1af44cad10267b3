"""What lies beside the repository: lists of published tensors, and cases made with the authors' code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"
Shapes = dict[str, tuple[int, ...]]

MODULES = {
    "hallo": {"": "hallo_net"},
    "hallo2": {"": "hallo2_net"},
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


def manifest(name: str) -> Shapes:
    """Tensor names and shapes of one published module; skips the test where the lists are not."""
    path = SHARED / "manifests" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no lists of published tensors in {path.parent}")
    return {key: tuple(shape) for key, shape in json.loads(path.read_text()).items()}


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
