"""Where insightface's files are, and what to say when they are not there."""

from __future__ import annotations

from pathlib import Path

import folder_paths

DETECTORS = ("scrfd_10g_bnkps.onnx", "det_10g.onnx", "scrfd_2.5g_bnkps.onnx", "det_2.5g.onnx", "det_500m.onnx")
RECOGNISERS = ("glintr100.onnx", "w600k_r50.onnx")
PACKS = "antelopev2 or buffalo_l of insightface, non-commercial use only"


def find_onnx(names: tuple[str, ...], purpose: str) -> Path:
    """The first of these files below models/insightface or models/emo; FileNotFoundError says what to do."""
    models = Path(folder_paths.models_dir)
    places = [models / "insightface", models / "emo"]
    if "insightface" in folder_paths.folder_names_and_paths:
        places = [*map(Path, folder_paths.get_folder_paths("insightface")), *places]
    for name in names:
        for place in places:
            found = next(iter(sorted(place.glob(f"**/{name}"))), None) if place.is_dir() else None
            if found is not None:
                return found
    raise FileNotFoundError(
        f"{purpose} needs {names[0]} ({PACKS}): put it into {places[0] / 'models' / 'antelopev2'}. Also known are "
        f"{', '.join(names[1:])}. Without it paint masks, or connect what another node found"
    )
