"""A small software rasteriser: z-buffer, then shading of each sample once (compiled by numba).

Samples are pixels of a picture drawn `SUPERSAMPLING` times too large and averaged down at the end.
View space is x to the picture's right, y away from the camera, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

SUPERSAMPLING = 2
SKIN, PLAIN, EYE, UNLIT = 0, 1, 2, 3
"""Kinds of surface: textured skin, vertex colours, an eyeball, vertex colours without light."""


@dataclass(frozen=True)
class Surface:
    """What is drawn, constant over the frames of one identity; T triangles, V vertices."""

    triangles: np.ndarray
    """int32 [T, 3]."""
    kinds: np.ndarray
    """int8 [T]: SKIN, PLAIN, EYE or UNLIT."""
    corners: np.ndarray
    """Texture place in texels of each triangle corner, float32 [T, 3, 2]; read for SKIN only."""
    attributes: np.ndarray
    """float32 [V, 3]: the colour 0..1 for PLAIN and UNLIT; lip, lash and shade (all 0..1) for SKIN;
    the direction from the eyeball's centre for EYE."""
    gloss: np.ndarray
    """Strength of the highlight, float32 [V]."""
    texture: np.ndarray
    """Skin colours 0..1, float32 [Ht, Wt, 3]."""
    lip_color: np.ndarray
    lash_color: np.ndarray
    iris_color: np.ndarray
    """Colours 0..1, float32 [3]."""
    iris: np.ndarray
    """Angles of pupil and iris edge seen from the eyeball's centre, rad, float32 [2]."""


@dataclass(frozen=True)
class Lights:
    """Directions towards the light in view space and colours, rows: key, fill, rim."""

    directions: np.ndarray
    """Unit vectors, float32 [3, 3]."""
    colors: np.ndarray
    """float32 [3, 3]."""
    sky: np.ndarray
    ground: np.ndarray
    """Ambient light from above and below, float32 [3]."""


@njit(cache=True)
def vertex_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals, float32 [V, 3], of points [V, 3]; counter-clockwise is outside."""
    normals = np.zeros_like(points)
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t]
        ax, ay, az = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], points[j, 2] - points[i, 2]
        bx, by, bz = points[k, 0] - points[i, 0], points[k, 1] - points[i, 1], points[k, 2] - points[i, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(points.shape[0]):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + np.float32(1e-20)
        normals[v] /= length
    return normals


@njit(cache=True)
def _visible(screen: np.ndarray, triangles: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest triangle of each sample, int32 [side, side] (-1: none), and its weights [side, side, 2].

    `screen` [V, 3] holds x, y in samples and the depth.
    """
    nearest = np.full((side, side), np.float32(1e9), dtype=np.float32)
    winner = np.full((side, side), -1, dtype=np.int32)
    weights = np.zeros((side, side, 2), dtype=np.float32)
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t]
        x0, y0, x1, y1, x2, y2 = (
            screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1], screen[k, 0], screen[k, 1],
        )  # fmt: skip
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left, right = max(0, int(np.ceil(min(x0, x1, x2) - 0.5))), min(side - 1, int(max(x0, x1, x2) - 0.5))
        top, bottom = max(0, int(np.ceil(min(y0, y1, y2) - 0.5))), min(side - 1, int(max(y0, y1, y2) - 0.5))
        inverse = np.float32(1.0) / area
        for y in range(top, bottom + 1):
            py = np.float32(y + 0.5)
            for x in range(left, right + 1):
                px = np.float32(x + 0.5)
                b = ((px - x0) * (y2 - y0) - (x2 - x0) * (py - y0)) * inverse
                c = ((x1 - x0) * (py - y0) - (px - x0) * (y1 - y0)) * inverse
                if b < 0 or c < 0 or b + c > 1:
                    continue
                depth = screen[i, 2] + b * (screen[j, 2] - screen[i, 2]) + c * (screen[k, 2] - screen[i, 2])
                if depth < nearest[y, x]:
                    nearest[y, x] = depth
                    winner[y, x] = t
                    weights[y, x, 0] = b
                    weights[y, x, 1] = c
    return winner, weights


@njit(cache=True, inline="always")
def _ramp(low: float, high: float, value: float) -> float:
    """0 below `low`, 1 above `high`, smooth between."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, fastmath=True)
def _shade(
    picture, winner, weights, view, normals, triangles, kinds, corners, attributes, gloss, texture,
    lip_color, lash_color, iris_color, iris, gaze, directions, colors, sky, ground,
):  # fmt: skip
    """Write the colour of every covered sample into picture [side, side, 3]."""
    side = winner.shape[0]
    base = np.zeros(3, dtype=np.float32)
    att = np.zeros(3, dtype=np.float32)
    normal = np.zeros(3, dtype=np.float32)
    place = np.zeros(3, dtype=np.float32)
    for y in range(side):
        for x in range(side):
            t = winner[y, x]
            if t < 0:
                continue
            b, c = weights[y, x, 0], weights[y, x, 1]
            a = np.float32(1.0) - b - c
            i, j, k = triangles[t]
            for d in range(3):
                att[d] = a * attributes[i, d] + b * attributes[j, d] + c * attributes[k, d]
                normal[d] = a * normals[i, d] + b * normals[j, d] + c * normals[k, d]
                place[d] = a * view[i, d] + b * view[j, d] + c * view[k, d]
            kind = kinds[t]
            if kind == UNLIT:
                picture[y, x] = att
                continue
            spec = a * gloss[i] + b * gloss[j] + c * gloss[k]
            squarings = 4
            if kind == SKIN:
                _skin_color(base, att, corners[t], a, b, c, texture, lip_color, lash_color)
                spec *= np.float32(1.0) + att[0]
            elif kind == EYE:
                _eye_color(base, att, iris_color, iris, gaze)
                squarings = 6
            else:
                base[:] = att
            _light(picture[y, x], base, normal, place, spec, squarings, directions, colors, sky, ground)
            if kind == EYE:  # eyes are kept bright under heavy brows
                for d in range(3):
                    picture[y, x, d] += np.float32(0.3) * (base[d] - picture[y, x, d])


@njit(cache=True, fastmath=True)
def _skin_color(base, att, corner, a, b, c, texture, lip_color, lash_color):
    u = a * corner[0, 0] + b * corner[1, 0] + c * corner[2, 0]
    v = a * corner[0, 1] + b * corner[1, 1] + c * corner[2, 1]
    u = min(max(u, 0.0), texture.shape[1] - 1.001)
    v = min(max(v, 0.0), texture.shape[0] - 1.001)
    iu, iv = int(u), int(v)
    fu, fv = np.float32(u - iu), np.float32(v - iv)
    lip, lash = np.float32(_ramp(0.3, 0.7, att[0])), np.float32(_ramp(0.3, 0.7, att[1]))
    for d in range(3):
        above = texture[iv, iu, d] * (1 - fu) + texture[iv, iu + 1, d] * fu
        below = texture[iv + 1, iu, d] * (1 - fu) + texture[iv + 1, iu + 1, d] * fu
        color = above * (1 - fv) + below * fv
        color += lip * (lip_color[d] - color)
        color += lash * (lash_color[d] - color)
        base[d] = color * (np.float32(1.0) - att[2])


@njit(cache=True, fastmath=True)
def _eye_color(base, att, iris_color, iris, gaze):
    length = np.sqrt(att[0] ** 2 + att[1] ** 2 + att[2] ** 2) + 1e-9
    cosine = (att[0] * gaze[0] + att[1] * gaze[1] + att[2] * gaze[2]) / length
    angle = np.arccos(min(max(cosine, -1.0), 1.0))
    white = np.float32(_ramp(iris[1] * 0.97, iris[1] * 1.08, angle))
    black = np.float32(1.0 - _ramp(iris[0] * 0.9, iris[0] * 1.1, angle))
    ring = np.float32(0.35 * _ramp(iris[1] * 0.72, iris[1] * 0.98, angle))  # dark edge of the iris
    for d in range(3):
        color = iris_color[d] * (np.float32(1.1) - ring)
        color += black * (np.float32(0.02) - color)
        base[d] = color + white * (np.float32(0.93) - color)


@njit(cache=True, fastmath=True)
def _light(out, base, normal, place, spec, squarings, directions, colors, sky, ground):
    """Lambert and Blinn-Phong light from three sources over a sky-ground ambient; the highlight's exponent
    is 2 ** squarings, and what is too bright is compressed."""
    length = np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]) + np.float32(1e-9)
    nx, ny, nz = normal[0] / length, normal[1] / length, normal[2] / length
    far = np.sqrt(place[0] * place[0] + place[1] * place[1] + place[2] * place[2])
    vx, vy, vz = -place[0] / far, -place[1] / far, -place[2] / far
    if nx * vx + ny * vy + nz * vz < 0:  # thin sheets are lit on the side one sees
        nx, ny, nz = -nx, -ny, -nz
    up = np.float32(0.5) + np.float32(0.5) * nz
    for d in range(3):
        out[d] = base[d] * (ground[d] + up * (sky[d] - ground[d]))
    for s in range(3):
        facing = nx * directions[s, 0] + ny * directions[s, 1] + nz * directions[s, 2]
        wrapped = max(
            np.float32(0), facing * np.float32(0.8) + np.float32(0.2)
        )  # soft terminator, as of a large lamp
        glint = np.float32(0)
        if facing > 0 and spec > 0:
            hx, hy, hz = directions[s, 0] + vx, directions[s, 1] + vy, directions[s, 2] + vz
            half = np.sqrt(hx * hx + hy * hy + hz * hz)
            shine = max(np.float32(0), (nx * hx + ny * hy + nz * hz) / half)
            for _ in range(squarings):
                shine *= shine
            glint = np.float32(spec * shine)
        for d in range(3):
            out[d] += colors[s, d] * (base[d] * wrapped + glint)
    knee = np.float32(0.78)
    for d in range(3):  # bright skin keeps its shading
        if out[d] > knee:
            out[d] = knee + (1 - knee) * (np.float32(1) - np.exp((knee - out[d]) / (1 - knee)))


@njit(cache=True)
def _reduce(picture: np.ndarray) -> np.ndarray:
    """The mean of SUPERSAMPLING x SUPERSAMPLING samples per pixel, as bytes."""
    size = picture.shape[0] // SUPERSAMPLING
    result = np.empty((size, size, 3), dtype=np.uint8)
    for y in range(size):
        for x in range(size):
            for d in range(3):
                total = np.float32(0)
                for sy in range(SUPERSAMPLING):
                    for sx in range(SUPERSAMPLING):
                        total += picture[y * SUPERSAMPLING + sy, x * SUPERSAMPLING + sx, d]
                value = min(
                    max(total / np.float32(SUPERSAMPLING * SUPERSAMPLING), np.float32(0)), np.float32(1)
                )
                result[y, x, d] = np.uint8(value * np.float32(255) + np.float32(0.5))
    return result


def draw(
    surface: Surface,
    view: np.ndarray,
    screen: np.ndarray,
    gaze: np.ndarray,
    lights: Lights,
    picture: np.ndarray,
) -> np.ndarray:
    """Draw over `picture`, the background, float32 [N, N, 3] in 0..1; returns uint8 [n, n, 3].

    N is n * SUPERSAMPLING; view [V, 3] are positions seen from the camera, screen [V, 3] their x, y in
    samples and depth, gaze [3] the direction of the eyes in the frame of the EYE attributes.
    """
    side = picture.shape[0]
    normals = vertex_normals(view, surface.triangles)
    winner, weights = _visible(screen, surface.triangles, side)
    _shade(
        picture, winner, weights, view, normals, surface.triangles, surface.kinds, surface.corners,
        surface.attributes, surface.gloss, surface.texture, surface.lip_color, surface.lash_color,
        surface.iris_color, surface.iris, gaze, lights.directions, lights.colors, lights.sky, lights.ground,
    )  # fmt: skip
    return _reduce(picture)
