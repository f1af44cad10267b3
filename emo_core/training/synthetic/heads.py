"""Rendered 3D heads: an identity from a seed, posed by a `FaceState`, with the exact truth of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .appearance import draw_look
from .backdrop import paint_backdrop
from .expression import action_weights, gaze_direction, rotation
from .head_mesh import ACTIONS, find_marks, fit_sphere, load_head_mesh
from .head_parts import Block, beard_blocks, mouth_block, rigid_blocks, shape_head, skin_block
from .look import Look
from .rasterizer import EYE, SUPERSAMPLING, Surface, draw
from .skin import Canvas, paint_skin
from .types import FaceState, Truth

LIP_OVERLAP = 0.0006
"""How far the lips press into each other when the mouth is closed, m."""
CHEST_FOLLOWS = 0.6
"""The part of a head shift that the shoulders make too."""
BALD_HAIRLINE = 0.84
"""Where stubble begins on a bald head, 0 chin .. 1 crown."""


class HeadWorld:
    """Loads the head mesh once and makes identities from seeds."""

    def __init__(self) -> None:
        self.mesh = load_head_mesh()
        eye, _ = fit_sphere(self.mesh.neutral[self.mesh.eye])
        self.marks = find_marks(self.mesh, eye)
        lips = self.mesh.neutral[self.marks.points[3:5]].mean(axis=0)
        self.canvas = Canvas(self.mesh.neutral, self.mesh.skin, eye, lips)
        self.texels = self.canvas.texels(self.mesh.neutral, self.mesh.skin)

    def portrait(self, seed: int) -> RenderedHead:
        """The identity of a seed (any non-negative integer), made in about 0.1 s."""
        return RenderedHead(self, draw_look(seed))

    def texture(self, look: Look) -> np.ndarray:
        """The skin texture of an identity, float32 [Ht, Wt, 3]."""
        chin, crown = self.mesh.neutral[self.marks.points[5], 2], self.mesh.neutral[:, 2].max()
        hairline = max(look.hair.ends[0], 0.8) if look.hair else BALD_HAIRLINE
        return paint_skin(look, self.canvas, chin + hairline * (crown - chin))


class RenderedHead:
    """One identity of the rendered world; implements `Portrait`."""

    def __init__(self, world: HeadWorld, look: Look) -> None:
        self.look, self.marks, self.pivot = look, world.marks, world.mesh.pivot
        mesh, marks = world.mesh, world.marks
        shape = shape_head(mesh, marks, look)
        upper, lower = marks.points[3:5]
        self._lip_gap = float(shape.points[upper, 2] - shape.points[lower, 2])
        self._lip_gaps = shape.actions[:, upper, 2] - shape.actions[:, lower, 2]
        blocks = [skin_block(mesh, marks, shape), mouth_block(mesh, shape)]
        blocks += beard_blocks(mesh, shape, look, world.canvas.mouth, world.canvas.axis)
        blocks += rigid_blocks(mesh, marks, shape, look)  # what moves comes first
        self._base = np.concatenate([block.points for block in blocks]).astype(np.float32)
        self._turn = np.concatenate([block.turn for block in blocks])[:, None]
        moving = np.concatenate([block.source for block in blocks])
        self._deltas = np.ascontiguousarray(shape.actions[:, moving].reshape(len(ACTIONS), -1))
        self._starts = np.cumsum([0] + [len(block.points) for block in blocks])[:-1]
        self._eye_marks = np.array([
            start + block.attributes[:, 1].argmin()  # the point that looks ahead
            for start, block in zip(self._starts, blocks, strict=True)
            if block.kind == EYE
        ])  # fmt: skip
        self._surface = self._collect(blocks, world)
        top, chin = shape.points[marks.face, 2].max(), shape.points[marks.points[5], 2]
        self._height = float(top - chin)
        self._center = np.array([0, self.pivot[1], top - self._height / 2], np.float32)
        self._backdrops: dict[int, np.ndarray] = {}

    def _collect(self, blocks: Sequence[Block], world: HeadWorld) -> Surface:
        """All blocks as one surface; the skin, the only textured one, is first."""
        look = self.look
        triangles = [block.triangles + start for block, start in zip(blocks, self._starts, strict=True)]
        count = sum(len(block) for block in triangles)
        corners = np.zeros((count, 3, 2), np.float32)
        corners[: len(world.texels)] = world.texels
        return Surface(
            triangles=np.concatenate(triangles).astype(np.int32),
            kinds=np.concatenate([np.full(len(block.triangles), block.kind, np.int8) for block in blocks]),
            corners=corners,
            attributes=np.concatenate([block.attributes for block in blocks]).astype(np.float32),
            gloss=np.concatenate([np.full(len(block.points), block.gloss, np.float32) for block in blocks]),
            texture=world.texture(look),
            lip_color=look.lips.astype(np.float32),
            lash_color=np.minimum(look.brows.color, 0.10).astype(np.float32),
            iris_color=look.iris.astype(np.float32),
            iris=np.array([0.45, 1.0], np.float32) * np.float32(look.iris_angle),
        )

    def _weights(self, state: FaceState) -> np.ndarray:
        """Weights of `ACTIONS` that keep the lips together unless the state opens them, float32 [A]."""
        weights = action_weights(state)
        shut = action_weights(replace(state, open=0.0))
        gap = LIP_OVERLAP + self._lip_gap + float(shut @ self._lip_gaps)
        close = ACTIONS.index("mouthClose")
        weights[close] += np.clip(-gap / self._lip_gaps[close], 0, 1)
        return weights

    def _pose(self, state: FaceState) -> np.ndarray:
        """All vertices in metres, before the camera, float32 [V, 3]."""
        moved = self._base.copy()
        weights = self._weights(state)
        used = np.flatnonzero(weights)
        size = self._deltas.shape[1] // 3
        moved[:size] += (weights[used] @ self._deltas[used]).reshape(-1, 3)
        turned = (moved - self.pivot) @ rotation(state.yaw, state.pitch, state.roll).T + self.pivot
        moved += self._turn * (turned - moved)
        width = self._height / self.look.fraction  # of the picture, in metres at the head
        shift = np.array([state.shift_x, 0, -state.shift_y], np.float32) * np.float32(width)
        follow = CHEST_FOLLOWS + (1 - CHEST_FOLLOWS) * self._turn
        return (self._center + state.scale * (moved - self._center) + follow * shift).astype(np.float32)

    def _project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions seen from the camera [V, 3], and x, y as parts of the picture with the depth [V, 3]."""
        view = points - self._center + np.array([0, self.look.distance, 0], np.float32)
        width = self._height / self.look.fraction
        flat = view[:, [0, 2]] * (np.float32(self.look.distance / width) / view[:, 1:2])
        place = self.look.place.astype(np.float32)
        return view, np.stack([place[0] + flat[:, 0], place[1] - flat[:, 1], view[:, 1]], axis=-1)

    def render(self, state: FaceState, size: int) -> tuple[np.ndarray, Truth]:
        """One frame as uint8 [size, size, 3] RGB, with its truth in pixels."""
        view, flat = self._project(self._pose(state))
        side = size * SUPERSAMPLING
        screen = flat * np.array([side, side, 1], np.float32)
        picture = draw(
            self._surface, view, screen, gaze_direction(state), self.look.lights, self._backdrop(side).copy()
        )
        return picture, self._truth(flat * np.float32(size))

    def _backdrop(self, side: int) -> np.ndarray:
        """The background, painted once per size, float32 [side, side, 3]."""
        if side not in self._backdrops:
            look = self.look
            self._backdrops = {side: paint_backdrop(look.backdrop, look.backdrop_colors, look.seed, side)}
        return self._backdrops[side]

    def _truth(self, flat: np.ndarray) -> Truth:
        """Landmarks and box from the projected vertices, in pixels."""
        marks = flat[np.concatenate([self._eye_marks, self.marks.points]), :2]
        face = flat[self.marks.face, :2]
        low, high = face.min(axis=0), face.max(axis=0)
        sides = face[[np.argmin(face[:, 0]), np.argmax(face[:, 0])]]
        landmarks = np.concatenate([marks, sides])
        return Truth(landmarks.astype(np.float32), np.array([*low, *high], np.float32))
