"""Rendered 3D heads: an identity from a seed, posed by a `FaceState`, with the exact truth of each frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .appearance import Look, draw_look
from .backdrop import paint_backdrop
from .hair import build_hair, feel_skull
from .head_mesh import ACTIONS, HeadMesh, load_head_mesh
from .props import Part, eyeball, glasses, shoulders, teeth
from .rasterizer import EYE, PLAIN, SKIN, SUPERSAMPLING, UNLIT, Surface, draw
from .skin import Canvas, beard_mask, paint_skin
from .types import FaceState, Truth

MOUTH_COLOR = np.array((0.27, 0.035, 0.06), np.float32)
"""The inside of every mouth; no skin, lip or hair has it."""
GAZE_YAW, GAZE_PITCH = 30.0, 20.0
"""Turn of the eyes at gaze 1, degrees."""
LIP_OVERLAP = 0.0006
"""How far the lips press into each other when the mouth is closed, m."""
NECK_LENGTHENING = 0.03
"""MakeHuman's head part ends high on the neck; its base is moved down by this, m."""
FRINGE_ABOVE_BROWS = 0.085
"""Room kept free for raised brows, part of the head's height."""
CHEST_FOLLOWS = 0.6
"""The part of a head shift that the shoulders make too."""


def action_weights(state: FaceState) -> np.ndarray:
    """Weights of `ACTIONS` for the expression of a state, float32 [A]."""
    wide, narrow = max(state.width, 0.0), max(-state.width, 0.0)
    smile, frown = max(state.smile, 0.0), max(-state.smile, 0.0)
    raised, lowered = max(state.brow, 0.0), max(-state.brow, 0.0)
    awake, parted = 1 - state.blink, min(1.0, 4 * state.open)
    up, down = max(state.gaze_y, 0.0) * awake, max(-state.gaze_y, 0.0) * awake
    pucker = min(1.1, 0.75 * narrow + state.round)
    sides = {
        "mouthLowerDown": 0.30 * state.open * (1 - state.round) + 0.12 * wide * parted,
        "mouthUpperUp": 0.20 * state.open * (1 - state.round) + 0.10 * wide * parted,
        "mouthSmile": 0.85 * smile + 0.12 * wide,
        "mouthFrown": 0.9 * frown,
        "mouthStretch": 0.75 * wide,
        "mouthDimple": 0.45 * wide,
        "cheekSquint": 0.5 * smile,
        "eyeBlink": state.blink,
        "browOuterUp": 1.35 * raised,
        "browDown": 1.5 * lowered,
        "eyeWide": 0.5 * raised * awake,
        "eyeLookUp": up,
        "eyeLookDown": 0.9 * down,
    }
    weights = {f"{name}{side}": value for name, value in sides.items() for side in ("Left", "Right")}
    weights["jawOpen"] = 0.80 * state.open
    weights["mouthPucker"] = pucker
    weights["mouthFunnel"] = 0.55 * state.round * min(1.0, 0.3 + state.open)
    weights["browInnerUp"] = 1.35 * raised
    return np.array([weights.get(name, 0.0) for name in ACTIONS], dtype=np.float32)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The head's rotation by angles in degrees with the signs of `FaceState`, float32 [3, 3]."""
    y, p, r = np.deg2rad((yaw, pitch, roll))
    nod = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turn = np.array([[np.cos(y), -np.sin(y), 0], [np.sin(y), np.cos(y), 0], [0, 0, 1]])
    tilt = np.array([[np.cos(r), 0, np.sin(r)], [0, 1, 0], [-np.sin(r), 0, np.cos(r)]])
    return (tilt @ turn @ nod).astype(np.float32)


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
    return int(among[np.argmin(((points[among] - np.float32(place)) ** 2).sum(axis=1))])


def _sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and radius of an eyeball's vertices [E, 3]."""
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float((high - low)[[0, 2]].mean() / 2)


class HeadWorld:
    """Loads the head mesh once and makes identities from seeds."""

    def __init__(self) -> None:
        self.mesh = load_head_mesh()
        self.eye, _ = _sphere(self.mesh.neutral[self.mesh.eye])
        self.marks = find_marks(self.mesh, self.eye)
        lips = self.mesh.neutral[self.marks.points[3:5]].mean(axis=0)
        self.canvas = Canvas(self.mesh.neutral, self.mesh.skin, self.eye, lips)
        self.texels = self.canvas.texels(self.mesh.neutral, self.mesh.skin)

    def portrait(self, seed: int) -> RenderedHead:
        """The identity of a seed, about 0.2 s."""
        return RenderedHead(self, draw_look(seed))


class RenderedHead:
    """One identity of the rendered world; implements `Portrait`."""

    def __init__(self, world: HeadWorld, look: Look) -> None:
        self.look = look
        self.marks = world.marks
        self._backdrops: dict[int, np.ndarray] = {}
        self._shape(world)
        self._build(world)
        face = self.points[self.marks.face]
        self.height = float(face[:, 2].max() - self.points[self.marks.points[5], 2])
        self.center = np.array([0, self.pivot[1], face[:, 2].max() - self.height / 2], np.float32)

    def _shape(self, world: HeadWorld) -> None:
        """Neutral vertices, movements and eyes of this identity."""
        mesh, look = world.mesh, self.look
        points = mesh.shape(look.phenotype, look.changes)
        shift = (points - mesh.neutral)[self.marks.face].mean(axis=0)
        self.pivot = mesh.pivot + 0 * shift
        points = points - shift
        points[:, 2] -= NECK_LENGTHENING * (1 - mesh.turn)
        center, radius = _sphere(points[mesh.eye])
        self.eyes = center * np.array([[-1, 1, 1], [1, 1, 1]], np.float32)
        self.eye_radius = radius * look.eye_size
        self.points = self._enlarge_eyes(points)
        self.actions = self._enlarge_eyes(points + mesh.actions) - self.points
        upper, lower = self.marks.points[3:5]
        self.lip_gap = float(self.points[upper, 2] - self.points[lower, 2])
        self.lip_gaps = self.actions[:, upper, 2] - self.actions[:, lower, 2]

    def _enlarge_eyes(self, points: np.ndarray) -> np.ndarray:
        """Scale what is near the eyes about their centres, points [..., 3]."""
        result = points.copy()
        for eye in self.eyes:
            away = points - eye
            far = np.sqrt((away**2).sum(axis=-1, keepdims=True))
            result += (self.look.eye_size - 1) * np.exp(-((far / 0.0235) ** 4)) * away
        return result.astype(np.float32)

    def _build(self, world: HeadWorld) -> None:
        """Collect all geometry; the head's own vertices come first, then the beard, then rigid parts."""
        mesh, look = world.mesh, self.look
        attributes, shade = self._skin_attributes(mesh)
        mouth_vertices, mouth = np.unique(mesh.mouth, return_inverse=True)
        blocks = [(self.points, mesh.skin, attributes, 0.10, SKIN, mesh.turn)]
        blocks.append((self.points[mouth_vertices], mouth.reshape(-1, 3), self._mouth_colors(mouth_vertices),
                       0.0, UNLIT, mesh.turn[mouth_vertices]))  # fmt: skip
        beard_vertices, beard_block = self._beard(world)
        if beard_block is not None:
            blocks.append(beard_block)
        moving = np.concatenate([np.arange(len(self.points)), mouth_vertices, beard_vertices])
        for part, kind, turn in self._parts(world):
            blocks.append((part.points, part.triangles, part.attributes, part.gloss, kind,
                           np.full(len(part.points), turn, np.float32)))  # fmt: skip
        starts = np.cumsum([0] + [len(block[0]) for block in blocks])
        front = [
            int(s + block[2][:, 1].argmin())
            for s, block in zip(starts, blocks, strict=False)
            if block[4] == EYE
        ]
        self.eye_marks = np.array(front)
        self.base = np.concatenate([block[0] for block in blocks]).astype(np.float32)
        self.turn = np.concatenate([block[5] for block in blocks])[:, None]
        self.deltas = np.ascontiguousarray(self.actions[:, moving].reshape(len(ACTIONS), -1))
        triangles = np.concatenate([b[1] + s for b, s in zip(blocks, starts, strict=False)]).astype(np.int32)
        corners = np.zeros((len(triangles), 3, 2), np.float32)
        corners[: len(world.texels)] = world.texels
        hairline = look.hair.ends[0] if look.hair else 0.84
        low, high = mesh.neutral[self.marks.points[5], 2], mesh.neutral[:, 2].max()
        self.surface = Surface(
            triangles=triangles,
            kinds=np.concatenate([np.full(len(b[1]), b[4], np.int8) for b in blocks]),
            corners=corners,
            attributes=np.concatenate([b[2] for b in blocks]).astype(np.float32),
            gloss=np.concatenate([np.full(len(b[0]), b[3], np.float32) for b in blocks]),
            texture=paint_skin(look, world.canvas, low + max(hairline, 0.8) * (high - low)),
            lip_color=look.lips.astype(np.float32),
            lash_color=np.minimum(look.brows.color, 0.10).astype(np.float32),
            iris_color=look.iris.astype(np.float32),
            iris=np.array([0.45, 1.0], np.float32) * np.float32(look.iris_angle),
        )

    def _skin_attributes(self, mesh: HeadMesh) -> tuple[np.ndarray, np.ndarray]:
        """Lip, lash and shade per vertex [V, 3]."""
        lips = np.interp(mesh.lip_rings, [6, 7, 8], [1, 0.55, 0])
        upper = mesh.neutral[:, 2] > self._lid_middle(mesh)
        lashes = np.where(upper, np.interp(mesh.lid_rings, [0, 4, 5, 6], [1, 1, 0.5, 0]),
                          np.interp(mesh.lid_rings, [0, 3, 4], [0.6, 0.4, 0]))  # fmt: skip
        chin = mesh.neutral[self.marks.points[5]]
        below = np.clip((chin[2] - 0.004 - mesh.neutral[:, 2]) / 0.02, 0, 1)
        shade = 0.28 * below
        return np.stack([lips, lashes, shade], axis=-1), shade

    def _lid_middle(self, mesh: HeadMesh) -> float:
        center, radius = _sphere(mesh.neutral[mesh.eye])
        return float(center[2] - 0.2 * radius)

    def _mouth_colors(self, vertices: np.ndarray) -> np.ndarray:
        """Darker towards the throat, [M, 3]."""
        y = self.points[vertices, 1]
        depth = np.clip((y - y.min()) / 0.06, 0, 1)
        return MOUTH_COLOR * (1.25 - 0.6 * depth)[:, None]

    def _beard(self, world: HeadWorld) -> tuple[np.ndarray, tuple | None]:
        """A shell over the bearded skin that moves with it."""
        mesh, look, none = world.mesh, self.look, np.zeros(0, int)
        if look.beard is None or look.beard.volume == 0:
            return none, None
        at = mesh.neutral
        azimuth = np.abs(np.arctan2(at[:, 0], -(at[:, 1] - world.canvas.axis)))
        mask = beard_mask(np.abs(at[:, 0]), azimuth, at[:, 2], world.canvas.mouth, look)
        mask = np.where(mesh.lip_rings <= 7, 0, mask) * np.clip((mesh.turn - 0.93) / 0.06, 0, 1)  # not the neck
        chosen = mesh.skin[(mask[mesh.skin] > 0.0).any(axis=1)]
        vertices, triangles = np.unique(chosen, return_inverse=True)
        from .rasterizer import vertex_normals

        normals = vertex_normals(self.points, mesh.skin)[vertices]
        lift = look.beard.volume * 1.3 * (mask[vertices] - 0.35)
        points = self.points[vertices] + normals * lift[:, None]
        rng = np.random.default_rng(look.seed + 1)
        color = look.beard.color * (1 + 0.12 * rng.normal(0, 1, (len(vertices), 1)))
        return vertices, (
            points,
            triangles.reshape(-1, 3),
            np.clip(color, 0, 1),
            0.04,
            PLAIN,
            mesh.turn[vertices],
        )

    def _parts(self, world: HeadWorld) -> list[tuple[Part, int, float]]:
        """Rigid geometry with its kind and how it follows the head."""
        look, marks = self.look, self.points[self.marks.points]
        parts = [(eyeball(eye, self.eye_radius * 0.985), EYE, 1.0) for eye in self.eyes]
        parts.append((teeth(marks[3:5].mean(axis=0), 0.036), UNLIT, 1.0))
        face = self.points[self.marks.face]
        if look.hair is not None:
            center = np.array([0, (face[:, 1].min() + face[:, 1].max()) / 2 + 0.01, self.eyes[0, 2] + 0.02])
            skull = feel_skull(self.points, world.mesh.skin, center.astype(np.float32))
            rng = np.random.default_rng(look.seed + 2)
            chin, crown, brow = marks[5, 2], face[:, 2].max(), marks[6, 2]
            lowest = float((brow - chin) / (crown - chin)) + FRINGE_ABOVE_BROWS
            style = replace(look.hair, ends=(max(look.hair.ends[0], lowest), *look.hair.ends[1:]))
            hair = build_hair(style, skull, float(chin), float(crown), look.hair_color, rng)
            parts.append((hair, PLAIN, 1.0))
        if look.glasses is not None:
            ear = face[np.argmax(face[:, 0])]
            ears = np.array([[-ear[0] + 0.012, ear[1] - 0.005, 0], [ear[0] - 0.012, ear[1] - 0.005, 0]])
            front = float(self.eyes[0, 1] - self.eye_radius - 0.011)
            half = min(look.glasses.half_width, float(self.eyes[1, 0]) - 0.008)  # leaves room for the nose
            size = np.array([half, min(look.glasses.half_height, half)])
            parts.append((glasses(self.eyes, size, front, ears, look.glasses.squareness, look.glasses.thickness,
                                  look.glasses.color), PLAIN, 1.0))  # fmt: skip
        parts.append((self._shoulders(), PLAIN, 0.0))
        return parts

    def _shoulders(self) -> Part:
        low = self.points[:, 2].min()
        ring = self.points[self.points[:, 2] < low + 0.035]
        middle = (ring.min(axis=0) + ring.max(axis=0)) / 2
        radius = (ring.max(axis=0) - ring.min(axis=0))[:2] / 2
        neck = np.array([0, middle[1], low + 0.02])
        chin = self.points[self.marks.points[5], 2]
        collar = min(self.look.collar, float(chin - neck[2]) - 0.045)  # an opening jaw stays free
        return shoulders(neck, radius, self.look.shoulder_width, collar, self.look.cloth)

    def _weights(self, state: FaceState) -> np.ndarray:
        """Weights of `ACTIONS` that keep the lips together unless the state opens them, float32 [A]."""
        weights = action_weights(state)
        shut = action_weights(replace(state, open=0.0))
        gap = LIP_OVERLAP + self.lip_gap + float(shut @ self.lip_gaps)
        close = ACTIONS.index("mouthClose")
        weights[close] += np.clip(-gap / self.lip_gaps[close], 0, 1)
        return weights

    def pose(self, state: FaceState) -> np.ndarray:
        """All vertices in metres, before the camera, float32 [V, 3]."""
        moved = self.base.copy()
        weights = self._weights(state)
        used = np.flatnonzero(weights)
        size = self.deltas.shape[1] // 3
        moved[:size] += (weights[used] @ self.deltas[used]).reshape(-1, 3)
        turned = (moved - self.pivot) @ rotation(state.yaw, state.pitch, state.roll).T + self.pivot
        moved += self.turn * (turned - moved)
        width = self.height / self.look.fraction  # of the picture, in metres at the head
        shift = np.array([state.shift_x, 0, -state.shift_y], np.float32) * np.float32(width)
        follow = CHEST_FOLLOWS + (1 - CHEST_FOLLOWS) * self.turn
        return (self.center + state.scale * (moved - self.center) + follow * shift).astype(np.float32)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions seen from the camera [V, 3], and x, y as parts of the picture with the depth [V, 3]."""
        view = points - self.center + np.array([0, self.look.distance, 0], np.float32)
        width = self.height / self.look.fraction
        flat = view[:, [0, 2]] * (np.float32(self.look.distance / width) / view[:, 1:2])
        place = self.look.place.astype(np.float32)
        return view, np.stack([place[0] + flat[:, 0], place[1] - flat[:, 1], view[:, 1]], axis=-1)

    def render(self, state: FaceState, size: int) -> tuple[np.ndarray, Truth]:
        """One frame as uint8 [size, size, 3] RGB, with its truth in pixels."""
        view, flat = self.project(self.pose(state))
        side = size * SUPERSAMPLING
        screen = flat * np.array([side, side, 1], np.float32)
        yaw, pitch = np.deg2rad((GAZE_YAW * state.gaze_x, GAZE_PITCH * state.gaze_y))
        gaze = np.array(
            [np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)], np.float32
        )
        picture = draw(self.surface, view, screen, gaze, self.look.lights, self._backdrop(side).copy())
        return picture, self._truth(flat * np.float32(size))

    def _backdrop(self, side: int) -> np.ndarray:
        """The background, painted once per size, float32 [side, side, 3]."""
        if side not in self._backdrops:
            look = self.look
            self._backdrops = {side: paint_backdrop(look.backdrop, look.backdrop_colors, look.seed, side)}
        return self._backdrops[side]

    def _truth(self, flat: np.ndarray) -> Truth:
        """Landmarks and box from the projected vertices, in pixels."""
        marks = flat[np.concatenate([self.eye_marks, self.marks.points]), :2]
        face = flat[self.marks.face, :2]
        low, high = face.min(axis=0), face.max(axis=0)
        sides = face[[np.argmin(face[:, 0]), np.argmax(face[:, 0])]]
        landmarks = np.concatenate([marks, sides])
        return Truth(landmarks.astype(np.float32), np.array([*low, *high], np.float32))
