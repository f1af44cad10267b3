"""The geometry of one identity, block by block: skin, mouth, beard, eyes, hair, glasses, shoulders."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .hair import HairStyle, build_hair, feel_skull
from .head_mesh import HeadMesh, Marks, fit_sphere
from .look import Glasses, Look
from .props import Part, eyeball, glasses, shoulders, teeth
from .rasterizer import EYE, PLAIN, SKIN, UNLIT, vertex_normals
from .skin import beard_mask

MOUTH_COLOR = np.array((0.27, 0.035, 0.06), np.float32)
"""The inside of every mouth; no skin, lip or hair has it."""
NECK_LENGTHENING = 0.03
"""MakeHuman's head part ends high on the neck; its base is moved down by this, m."""
FRINGE_ABOVE_BROWS = 0.085
"""Room kept free for raised brows, part of the head's height."""


@dataclass(frozen=True)
class HeadShape:
    """The neutral form of one identity and how it moves; V vertices of the mesh, A actions."""

    points: np.ndarray
    """float32 [V, 3]."""
    actions: np.ndarray
    """float32 [A, V, 3]."""
    eyes: np.ndarray
    """Centres of the eyeballs on the picture's left and right, float32 [2, 3]."""
    eye_radius: float
    """Metres."""


@dataclass(frozen=True)
class Block:
    """Geometry of one kind; N vertices, M triangles."""

    points: np.ndarray
    """float32 [N, 3]."""
    triangles: np.ndarray
    """int32 [M, 3]."""
    attributes: np.ndarray
    """As `Surface.attributes` wants them for this kind, [N, 3]."""
    kind: int
    """SKIN, PLAIN, EYE or UNLIT."""
    gloss: float
    """Strength of the highlight."""
    turn: np.ndarray
    """How much each vertex follows the head, 0..1, float32 [N]."""
    source: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    """The mesh vertices whose movement these follow, int [N]; empty for rigid parts."""


def shape_head(mesh: HeadMesh, marks: Marks, look: Look) -> HeadShape:
    """Apply the sliders, put the head in the mean head's place and enlarge its eyes."""
    points = mesh.shape(look.phenotype, look.changes)
    points = points - (points - mesh.neutral)[marks.face].mean(axis=0)
    points[:, 2] -= NECK_LENGTHENING * (1 - mesh.turn)
    center, radius = fit_sphere(points[mesh.eye])
    eyes = center * np.array([[-1, 1, 1], [1, 1, 1]], np.float32)
    neutral = _enlarge_eyes(points, eyes, look.eye_size)
    actions = _enlarge_eyes(points + mesh.actions, eyes, look.eye_size) - neutral
    return HeadShape(neutral, actions, eyes, radius * look.eye_size)


def _enlarge_eyes(points: np.ndarray, eyes: np.ndarray, factor: float) -> np.ndarray:
    """Scale what is near the eyes about their centres, points [..., 3]."""
    result = points.copy()
    for eye in eyes:
        away = points - eye
        far = np.sqrt((away**2).sum(axis=-1, keepdims=True))
        result += (factor - 1) * np.exp(-((far / 0.0235) ** 4)) * away
    return result.astype(np.float32)


def skin_block(mesh: HeadMesh, marks: Marks, shape: HeadShape) -> Block:
    """Face, ears and neck with lips, lash lines and the shadow under the chin."""
    lips = np.interp(mesh.lip_rings, [6, 7, 8], [1, 0.55, 0])
    center, radius = fit_sphere(mesh.neutral[mesh.eye])
    upper = mesh.neutral[:, 2] > center[2] - 0.2 * radius
    above = np.interp(mesh.lid_rings, [0, 4, 5, 6], [1, 1, 0.5, 0])
    below = np.interp(mesh.lid_rings, [0, 3, 4], [0.6, 0.4, 0])
    chin = mesh.neutral[marks.points[5], 2]
    shade = 0.28 * np.clip((chin - 0.004 - mesh.neutral[:, 2]) / 0.02, 0, 1)
    attributes = np.stack([lips, np.where(upper, above, below), shade], axis=-1)
    return Block(shape.points, mesh.skin, attributes, SKIN, 0.10, mesh.turn, np.arange(len(shape.points)))


def mouth_block(mesh: HeadMesh, shape: HeadShape) -> Block:
    """The mouth's inside and the tongue, darker towards the throat."""
    vertices, triangles = np.unique(mesh.mouth, return_inverse=True)
    points = shape.points[vertices]
    depth = np.clip((points[:, 1] - points[:, 1].min()) / 0.06, 0, 1)
    colors = MOUTH_COLOR * (1.25 - 0.6 * depth)[:, None]
    return Block(points, triangles.reshape(-1, 3), colors, UNLIT, 0.0, mesh.turn[vertices], vertices)


def beard_blocks(mesh: HeadMesh, shape: HeadShape, look: Look, mouth: np.ndarray, axis: float) -> list[Block]:
    """A shell over the bearded skin that moves with it, or nothing.

    mouth [3], axis: where the lips meet and the y of the vertical axis of the canonical head.
    """
    if look.beard is None or look.beard.volume == 0:
        return []
    at = mesh.neutral
    azimuth = np.abs(np.arctan2(at[:, 0], -(at[:, 1] - axis)))
    mask = beard_mask(np.abs(at[:, 0]), azimuth, at[:, 2], mouth, look)
    mask = np.where(mesh.lip_rings <= 7, 0, mask) * np.clip((mesh.turn - 0.93) / 0.06, 0, 1)  # not the neck
    vertices, triangles = np.unique(mesh.skin[(mask[mesh.skin] > 0).any(axis=1)], return_inverse=True)
    lift = look.beard.volume * 1.3 * (mask[vertices] - 0.35)
    points = shape.points[vertices] + vertex_normals(shape.points, mesh.skin)[vertices] * lift[:, None]
    strands = 1 + 0.12 * np.random.default_rng(look.seed + 1).normal(0, 1, (len(vertices), 1))
    colors = np.clip(look.beard.color * strands, 0, 1)
    return [Block(points, triangles.reshape(-1, 3), colors, PLAIN, 0.04, mesh.turn[vertices], vertices)]


def rigid_blocks(mesh: HeadMesh, marks: Marks, shape: HeadShape, look: Look) -> list[Block]:
    """What moves with the skull (eyeballs first) and the shoulders, which do not."""
    lips = shape.points[marks.points[3:5]].mean(axis=0)
    blocks = [_rigid(eyeball(eye, shape.eye_radius * 0.985), EYE) for eye in shape.eyes]
    blocks.append(_rigid(teeth(lips, 0.036), UNLIT))
    if look.hair is not None:
        blocks.append(_rigid(_hair(mesh, marks, shape, look.hair, look), PLAIN))
    if look.glasses is not None:
        blocks.append(_rigid(_glasses(marks, shape, look.glasses), PLAIN))
    return [*blocks, _rigid(_shoulders(marks, shape, look), PLAIN, turn=0.0)]


def _rigid(part: Part, kind: int, turn: float = 1.0) -> Block:
    follow = np.full(len(part.points), turn, np.float32)
    return Block(part.points, part.triangles, part.attributes, kind, part.gloss, follow)


def _hair(mesh: HeadMesh, marks: Marks, shape: HeadShape, cut: HairStyle, look: Look) -> Part:
    face = shape.points[marks.face]
    center = np.array([0, (face[:, 1].min() + face[:, 1].max()) / 2 + 0.01, shape.eyes[0, 2] + 0.02])
    skull = feel_skull(shape.points, mesh.skin, center.astype(np.float32))
    crown, (chin, brow) = face[:, 2].max(), shape.points[marks.points[5:7], 2]
    lowest = float((brow - chin) / (crown - chin)) + FRINGE_ABOVE_BROWS
    style = replace(cut, ends=(max(cut.ends[0], lowest), *cut.ends[1:]))
    rng = np.random.default_rng(look.seed + 2)
    return build_hair(style, skull, float(chin), float(crown), look.hair_color, rng)


def _glasses(marks: Marks, shape: HeadShape, frame: Glasses) -> Part:
    face = shape.points[marks.face]
    ear = face[np.argmax(face[:, 0])]
    ears = np.array([[-ear[0] + 0.012, ear[1] - 0.005, 0], [ear[0] - 0.012, ear[1] - 0.005, 0]])
    front = float(shape.eyes[0, 1] - shape.eye_radius - 0.011)
    half = min(frame.half_width, float(shape.eyes[1, 0]) - 0.008)  # leaves room for the nose
    size = np.array([half, min(frame.half_height, half)])
    return glasses(shape.eyes, size, front, ears, frame.squareness, frame.thickness, frame.color)


def _shoulders(marks: Marks, shape: HeadShape, look: Look) -> Part:
    low = shape.points[:, 2].min()
    ring = shape.points[shape.points[:, 2] < low + 0.035]
    middle = (ring.min(axis=0) + ring.max(axis=0)) / 2
    radius = (ring.max(axis=0) - ring.min(axis=0))[:2] / 2
    neck = np.array([0, middle[1], low + 0.02])
    chin = shape.points[marks.points[5], 2]
    collar = min(look.collar, float(chin - neck[2]) - 0.045)  # an opening jaw stays free
    return shoulders(neck, radius, look.shoulder_width, collar, look.cloth)
