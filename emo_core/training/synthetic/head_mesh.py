"""MakeHuman's head as plain arrays: shape from sliders, movement from facial actions, named regions.

The mesh, its targets and its face units come from the package `anny` (training only); licences in
docs/synthetic_world.md. Coordinates are metres: x to the picture's right, y away from the camera, z up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from anny import Anny
    from torch import Tensor

ACTIONS = (
    "jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "mouthClose", "mouthPucker", "mouthFunnel", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthStretchLeft", "mouthStretchRight", "mouthDimpleLeft", "mouthDimpleRight",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "browDownLeft", "browDownRight", "eyeWideLeft", "eyeWideRight", "eyeLookUpLeft",
    "eyeLookUpRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight",
)  # fmt: skip
"""The facial actions a frame may use, in the order of their weights (ARKit names; left is the person's)."""

PAIRED_CHANGES = (
    "cheek-volume-incr", "cheek-bones-incr", "cheek-inner-incr", "ear-scale-incr", "ear-wing-incr",
    "ear-shape-triangle", "eye-corner1-up", "eye-corner2-up", "eye-height2-incr", "eye-trans-out",
    "eye-trans-up", "eye-scale-incr",
)  # fmt: skip
MIDDLE_CHANGES = (
    "chin-height-incr", "chin-prominent-incr", "chin-bones-incr", "chin-width-incr", "chin-jaw-drop-incr",
    "eyebrows-angle-up", "eyebrows-trans-up", "forehead-nubian-incr", "forehead-scale-vert-incr",
    "head-fat-incr", "head-scale-horiz-incr", "head-scale-vert-incr", "head-back-scale-depth-incr",
    "mouth-scale-horiz-incr", "mouth-upperlip-volume-incr", "mouth-lowerlip-volume-incr",
    "mouth-upperlip-height-incr", "mouth-lowerlip-height-incr", "mouth-trans-up", "neck-scale-horiz-incr",
    "nose-scale-vert-incr", "nose-scale-horiz-incr", "nose-scale-depth-incr", "nose-hump-incr",
    "nose-point-up", "nose-curve-convex", "nose-volume-incr", "nose-nostrils-width-incr",
)  # fmt: skip
"""The local sliders used, from -1 to 1; the paired ones exist per side and move together."""


RINGS = 12
"""How many mesh steps around mouth and eyes are counted."""


class HeadMeshError(RuntimeError):
    """The head mesh cannot be read."""


@dataclass(frozen=True)
class HeadMesh:
    """The head that all identities share; V vertices, T triangles."""

    model: Anny
    """Turns sliders into blend shape weights; its tensors are not used otherwise."""
    neutral: np.ndarray
    """The mean head, float32 [V, 3]; canonical coordinates refer to it."""
    template: np.ndarray
    """The vertices before any slider, float32 [V, 3]."""
    shapes: np.ndarray
    """Shape basis, float32 [S, V, 3]."""
    actions: np.ndarray
    """Movement per action of `ACTIONS`, float32 [A, V, 3]."""
    skin: np.ndarray
    """Triangles of skin including eyelids and lips, int32 [Ts, 3]."""
    mouth: np.ndarray
    """Triangles of the mouth's inside and the tongue, int32 [Tm, 3]."""
    lip_rings: np.ndarray
    """Mesh steps from the mouth's inside outwards, int [V]; the red of the lips ends at step 7."""
    lid_rings: np.ndarray
    """Mesh steps from the eye sockets outwards, int [V]; the edge of the lids is at step 4."""
    turn: np.ndarray
    """How much a vertex follows the head's rotation (0 at the neck's base), float32 [V]."""
    eye: np.ndarray
    """Vertices of the eyeball on the picture's right, int [E]."""
    pivot: np.ndarray
    """The joint the head turns about, float32 [3]."""

    def shape(self, phenotype: Mapping[str, float], changes: Mapping[str, float]) -> np.ndarray:
        """Neutral vertices [V, 3] of one identity, from sliders (0..1) and local changes (-1..1)."""
        local = {}
        for name, value in changes.items():
            sides = (f"l-{name}", f"r-{name}") if name in PAIRED_CHANGES else (name,)
            local.update(dict.fromkeys(sides, float(value)))
        weights = self.model.get_phenotype_blendshape_coefficients(**phenotype, local_changes=local)
        weights = weights.detach().numpy().astype(np.float32).reshape(-1)[: len(self.shapes)]
        used = np.flatnonzero(np.abs(weights) > 1e-6)
        moved = np.tensordot(weights[used], self.shapes[used], axes=1)
        return self.template + moved


def load_head_mesh() -> HeadMesh:
    """Read the mesh from `anny` (about 1 s; the very first time a minute, which `anny` caches).

    Raises:
        HeadMeshError: `anny` is not installed.
    """
    try:
        from anny import Anny
    except ImportError as error:
        raise HeadMeshError(f"rendered heads need the package anny ({error}): pip install anny") from error
    model = Anny(
        rig="makehuman-head", topology="head", facial_actions="all", phenotypes="all", local_changes="all"
    )
    shapes = model.blendshapes.numpy().astype(np.float32)
    projection = cast("Tensor", model.phenotype_blendshape_projection)  # this rig has one
    labels, first = list(model.facial_action_labels), projection.shape[1]
    actions = shapes[[first + labels.index(name) for name in ACTIONS]]
    triangles = model.faces.numpy().astype(np.int32)
    region = _regions(model)
    skin = triangles[region["head"] | region["eye_cavity.L"] | region["eye_cavity.R"]]
    lip_rings = _rings(triangles[region["mouth_cavity"]], triangles[region["head"]], len(shapes[0]))
    lid_rings = _rings(
        triangles[region["eye_cavity.L"] | region["eye_cavity.R"]], triangles[region["head"]], len(shapes[0])
    )
    template = model.template_vertices.numpy().astype(np.float32)
    mesh = HeadMesh(
        model=model,
        neutral=template,
        shapes=shapes,
        template=template,
        actions=actions,
        skin=skin,
        mouth=triangles[region["mouth_cavity"] | region["tongue"]],
        lip_rings=lip_rings,
        lid_rings=lid_rings,
        turn=_turn(model),
        eye=np.unique(triangles[region["eye_front.L"] | region["eye_back.L"]]),
        pivot=model.template_bone_heads.numpy()[model.bone_labels.index("head")].astype(np.float32),
    )
    return replace(mesh, neutral=mesh.shape({}, {}))


def _regions(model: Anny) -> dict[str, np.ndarray]:
    """Triangles of each body part, bool [T], from the colour map that comes with the package."""
    import yaml
    from anny.paths import get_anny_root_dir
    from PIL import Image

    folder = get_anny_root_dir() / "data" / "segmentation"
    picture = np.asarray(Image.open(folder / "body_parts_segmentation.png").convert("RGB"))
    colors = yaml.safe_load((folder / "body_parts_segmentation.yaml").read_text())["colors"]
    places = cast("Tensor", model.texture_coordinates).numpy()
    corners = cast("Tensor", model.face_texture_coordinate_indices).numpy()
    centers = places[corners].mean(axis=1)
    height, width = picture.shape[:2]
    column = np.clip((centers[:, 0] * width).round().astype(int), 0, width - 1)
    row = np.clip(((1 - centers[:, 1]) * height).round().astype(int), 0, height - 1)
    return {name: (picture[row, column] == np.array(color)).all(axis=1) for name, color in colors.items()}


def _rings(hole: np.ndarray, around: np.ndarray, count: int) -> np.ndarray:
    """Steps from the border of `hole` over the triangles `around`, int [count], at most RINGS."""
    steps = np.full(count, RINGS)
    steps[np.intersect1d(hole, around)] = 0
    for step in range(RINGS - 1):
        grown = np.unique(around[(steps[around] == step).any(axis=1)])
        steps[grown[steps[grown] == RINGS]] = step + 1
    return steps


def _turn(model: Anny) -> np.ndarray:
    """The neck's joints take up the rotation step by step, float32 [V]."""
    weights = model.dense_vertex_bone_weights.numpy()
    share = np.ones(weights.shape[1])
    for name, part in (("root", 0.0), ("neck01", 0.1), ("neck02", 0.4), ("neck03", 0.75)):
        share[model.bone_labels.index(name)] = part
    turn = weights @ share
    return ((turn - turn.min()) / (1 - turn.min())).astype(np.float32)


@dataclass(frozen=True)
class Marks:
    """Vertices of the head mesh that the truth is measured on."""

    points: np.ndarray
    """Nose tip, left and right mouth corner, inner upper lip, inner lower lip, chin, left and right brow
    centre, int [8]."""
    face: np.ndarray
    """Vertices from chin to crown, with the ears: the head box."""


def find_marks(mesh: HeadMesh, eye: np.ndarray) -> Marks:
    """Find the marked vertices on the mean head; eye: centre of the eye on the picture's right [3]."""
    points, skin = mesh.neutral, np.unique(mesh.skin)
    middle = skin[np.abs(points[skin, 0]) < 1e-4]
    nose = middle[np.argmin(points[middle, 1])]
    outer = np.flatnonzero(mesh.lip_rings == 4)
    seam = np.flatnonzero(mesh.lip_rings == 1)  # where closed lips touch
    at_middle = seam[np.abs(points[seam, 0]) < 1e-4]
    upper = at_middle[np.argmax(points[at_middle, 2])]
    lower = at_middle[np.argmin(points[at_middle, 2])]
    front = middle[(points[middle, 1] < points[upper, 1] + 0.03) & (points[middle, 2] < points[lower, 2])]
    chin = front[np.argmin(points[front, 2] + 0.6 * points[front, 1])]
    brows = [_nearest(points, skin, (side * eye[0], eye[1] - 0.02, eye[2] + 0.0235)) for side in (-1, 1)]
    corners = outer[np.argmin(points[outer, 0])], outer[np.argmax(points[outer, 0])]
    face = skin[(points[skin, 2] >= points[chin, 2] - 1e-4) & (mesh.turn[skin] > 0.8)]
    return Marks(np.array([nose, *corners, upper, lower, chin, *brows]), face)


def _nearest(points: np.ndarray, among: np.ndarray, place: tuple[float, float, float]) -> int:
    return int(among[np.argmin(((points[among] - np.array(place, np.float32)) ** 2).sum(axis=1))])


def fit_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and radius of an eyeball's vertices [E, 3]."""
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float((high - low)[[0, 2]].mean() / 2)
