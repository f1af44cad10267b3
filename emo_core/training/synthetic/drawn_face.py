"""What lies on a drawn face in one state: eyes, brows, nose, mouth, beard, cheeks and glasses."""

from __future__ import annotations

import numpy as np

from .drawn_geometry import drop_jaw
from .drawn_identity import Identity
from .drawn_palette import MOUTH_INTERIOR
from .drawn_sketch import Colour, Sketch, mix
from .types import FaceState

ACROSS = np.linspace(-1, 1, 15)
"""From the picture's left to right across a feature."""
CIRCLE = np.linspace(0, 2 * np.pi, 17)[:-1]
WHITE: Colour = (250, 249, 246)


def _ribbon(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The closed contour between two curves over the same x."""
    return np.concatenate([x, x[::-1]]), np.concatenate([upper, lower[::-1]])


def draw_eye(sketch: Sketch, who: Identity, state: FaceState, side: int) -> None:
    """One eye; `side` is -1 at the picture's left, 1 at its right."""
    eye, face = who.eyes, who.head.surface
    x0 = side * eye.apart
    x = x0 + eye.half_width * ACROSS
    bulge = (1 - ACROSS**2) ** eye.roundness
    slant = eye.y + eye.tilt * ACROSS * side
    top = slant - eye.half_height * bulge
    shut = slant + 0.4 * eye.half_height * bulge
    blink = min(max(state.blink, 0.0), 1.0)
    upper = top + (shut - top) * blink
    lower = slant + 0.75 * eye.half_height * bulge
    lower = lower + (shut - lower) * blink
    sketch.fill(face(*_ribbon(x, top - 0.35 * eye.half_height * bulge, upper + 0.012)), eye.lid)
    if blink < 0.95:
        sketch.fill(face(*_ribbon(x, upper, lower)), WHITE)
        _draw_iris(sketch, who, state, x, upper, lower)
        sketch.stroke(face(x, lower), mix(who.skin, (60, 30, 40), 0.5), 0.012)
    lash = mix(who.brows.colour, (24, 18, 20), 0.75)
    sketch.stroke(face(x, upper), lash, eye.lash_width)
    if eye.lashes:
        outer = -1 if side > 0 else 0
        tip = np.array([[x[outer], upper[outer]], [x[outer] + side * 0.05, upper[outer] - 0.05]])
        sketch.stroke(face(tip[:, 0], tip[:, 1]), lash, eye.lash_width)
    sketch.mark("left eye" if side < 0 else "right eye", face(np.array([x0]), np.array([eye.y])))


def _draw_iris(
    sketch: Sketch, who: Identity, state: FaceState, x: np.ndarray, upper: np.ndarray, lower: np.ndarray
) -> None:
    """Iris, pupil and highlight, each cut at the lids by moving its points onto them."""
    eye, face = who.eyes, who.head.surface
    radius = eye.iris * min(eye.half_height, 0.8 * eye.half_width)
    x0 = (x[0] + x[-1]) / 2 + state.gaze_x * (eye.half_width - 0.55 * radius) * 0.85
    y0 = eye.y - 0.05 * eye.half_height - state.gaze_y * 0.5 * eye.half_height

    def disc(cx: float, cy: float, r: float, colour: Colour) -> None:
        px = np.clip(cx + r * np.cos(CIRCLE), x[0], x[-1])
        py = np.clip(cy + r * np.sin(CIRCLE), np.interp(px, x, upper), np.interp(px, x, lower))
        sketch.fill(face(px, py), colour)

    disc(x0, y0, radius, mix(eye.colour, (20, 16, 20), 0.45))
    disc(x0, y0, 0.84 * radius, eye.colour)
    disc(x0, y0, 0.45 * radius, (18, 16, 20))
    disc(x0 - 0.3 * radius * who.manner.light, y0 - 0.35 * radius, 0.22 * radius, WHITE)


def draw_brow(sketch: Sketch, who: Identity, state: FaceState, side: int) -> None:
    """One brow; it rises as a whole and knits at its inner end when it falls."""
    brow = who.brows
    x0 = side * who.eyes.apart * 1.02
    inner = (1 - ACROSS * side) / 2  # 1 at the nose
    lift = 0.16 * max(state.brow, 0.0) + 0.085 * min(state.brow, 0.0)
    middle = brow.y - lift - brow.arch * (1 - ACROSS**2) * (1 + 0.6 * state.brow)
    middle = middle + brow.tilt * inner - 0.06 * min(state.brow, 0.0) * inner
    thick = brow.thickness * (0.35 + 0.65 * inner**0.5)
    face = who.head.surface
    x = x0 + brow.half_width * ACROSS
    sketch.fill(face(*_ribbon(x, middle - thick, middle + thick), 0.03), brow.colour)
    centre = len(ACROSS) // 2
    sketch.mark("left brow" if side < 0 else "right brow", face(x[[centre]], middle[[centre]], 0.03))


def draw_nose(sketch: Sketch, who: Identity) -> None:
    """The nose; its tip stands out, so it moves more than the face when the head turns."""
    face, s, y = who.head.surface, who.nose.size, who.nose.y
    dark = mix(who.skin, (70, 20, 30), 0.42)
    lit = who.manner.light
    if who.nose.style == "hook":
        path = np.array(
            [[-0.5, -2.2, 0.0], [-0.9, -0.2, 0.6], [-0.8, 0.15, 0.7], [0.2, 0.3, 1.0], [0.7, 0.0, 0.6]]
        )
        sketch.stroke(face(-lit * s * path[:, 0], y + s * path[:, 1], 0.16 * path[:, 2]), dark, 0.028)
    elif who.nose.style == "wedge":
        path = np.array([[0.1, -2.4, 0.1], [0.0, 0.1, 1.2], [1.0, 0.25, 0.3]])
        sketch.fill(
            face(-lit * s * path[:, 0], y + s * path[:, 1], 0.16 * path[:, 2]), mix(who.skin, dark, 0.6)
        )
    elif who.nose.style == "bridge":
        path = np.array(
            [[-0.45, -2.0, 0.2], [-0.4, -0.8, 0.6], [-1.0, -0.1, 0.3], [-0.3, 0.25, 0.9], [0.3, 0.25, 0.9]]
        )
        for side in (-1, 1):
            sketch.stroke(face(side * s * path[:, 0], y + s * path[:, 1], 0.16 * path[:, 2]), dark, 0.02)
    elif who.nose.style == "nostrils":
        for side in (-1, 1):
            dots = (side * 0.42 * s + 0.24 * s * np.cos(CIRCLE), y + 0.14 * s * np.sin(CIRCLE))
            sketch.fill(face(*dots, 0.14), dark)
    else:
        wide = 1.15 if who.nose.style == "bulb" else 0.75
        ball = face(wide * s * np.cos(CIRCLE), y - 0.15 * s + 0.75 * s * np.sin(CIRCLE), 0.16)
        sketch.fill(ball, mix(who.skin, (214, 80, 70), 0.36))
    sketch.mark("nose", face(np.array([0.0]), np.array([y]), 0.16))


def draw_mouth(sketch: Sketch, who: Identity, state: FaceState) -> None:
    """Lips, the dark interior with a thin strip of teeth and a tongue, and the mouth's landmarks."""
    mouth, face = who.mouth, who.head.surface
    pucker = min(max(state.round, 0.0), 1.0)
    wide = mouth.half_width * (1 + 0.34 * state.width) * (1 - 0.5 * pucker) * (1 + 0.14 * max(state.smile, 0))
    wide *= 1 - 0.1 * state.open
    gap = (0.36 + 0.03 * pucker) * max(state.open, 0.0)
    x = wide * ACROSS
    bulge = (1 - ACROSS**2) ** (0.62 - 0.12 * pucker)
    middle = mouth.y - 0.11 * (state.smile + mouth.curve) * (ACROSS**2 - 0.4) - mouth.tilt * ACROSS
    upper, lower = middle - 0.24 * gap * bulge, middle + 0.76 * gap * bulge
    plump = 1 + 0.7 * pucker
    bow = 1 - mouth.bow * np.exp(-((ACROSS / 0.16) ** 2))
    rim = np.sqrt(1 - ACROSS**2) * plump
    lips = _ribbon(1.1 * x, upper - mouth.upper * rim * bow - 0.006, lower + mouth.lower * rim + 0.006)
    lift = 0.02 + 0.09 * pucker
    sketch.fill(face(*lips, lift), mouth.colour, ink=True)
    line = mix(mouth.colour, (40, 10, 20), 0.55)
    if gap > 0.012:
        sketch.fill(face(*_ribbon(x, upper, lower), lift), MOUTH_INTERIOR)
        if mouth.teeth and gap > 0.08:
            edge = np.minimum(upper + min(0.2 * gap, 0.05), lower)
            sketch.fill(face(*_ribbon(0.86 * x, upper + 0.008, edge), lift), WHITE)
        if mouth.tongue and gap > 0.12:
            back = lower - 0.2 * gap * bulge * np.abs(bulge)
            sketch.fill(face(*_ribbon(0.7 * x, back + 0.02, lower - 0.004), lift), (196, 84, 98))
    else:
        sketch.stroke(face(1.1 * x, middle), line, mouth.line)
    sketch.mark("mouth corners", face(x[[0, -1]], middle[[0, -1]], lift))
    centre = len(ACROSS) // 2
    sketch.mark("inner lips", face(np.zeros(2), np.array([upper[centre], lower[centre]]), lift))


def draw_cheeks(sketch: Sketch, who: Identity) -> None:
    """Blush in three paler rings, or freckles."""
    face, apart = who.head.surface, who.eyes.apart * 1.2
    if who.worn.cheeks == "blush":
        for side in (-1, 1):
            for step in (1.0, 0.8, 0.6):
                x = side * apart + 0.17 * step * np.cos(CIRCLE)
                tone = mix(who.skin, who.worn.cheek_colour, 1.3 - step * 0.9)
                sketch.fill(face(x, 0.33 + 0.1 * step * np.sin(CIRCLE)), tone)
    elif who.worn.cheeks == "freckles":
        rng = np.random.default_rng(who.manner.seed)
        for x, y in rng.uniform([-0.16, -0.07], [0.16, 0.07], (10, 2)):
            spot = (
                np.sign(x) * apart * 0.9 + x + 0.016 * np.cos(CIRCLE[::3]),
                0.3 + y + 0.016 * np.sin(CIRCLE[::3]),
            )
            sketch.fill(face(*spot), mix(who.skin, (120, 50, 30), 0.45))


def draw_glasses(sketch: Sketch, who: Identity) -> None:
    """Rims around both eyes, a bridge and two temples."""
    if who.worn.glasses == "none":
        return
    eye, face = who.eyes, who.head.surface
    power = {"round": 1.0, "square": 0.45, "cat": 0.7}[who.worn.glasses]
    cos, sin = np.cos(CIRCLE), np.sin(CIRCLE)
    wide = min(eye.half_width + 0.09, eye.apart - 0.05)
    square = who.worn.glasses == "square"
    tall = eye.half_height + 0.07 if square else max(eye.half_height + 0.05, 0.72 * wide)
    colour, width = who.worn.glasses_colour, 0.038
    for side in (-1, 1):
        x = wide * np.sign(cos) * np.abs(cos) ** power
        y = eye.y + 0.02 + tall * np.sign(sin) * np.abs(sin) ** power
        if who.worn.glasses == "cat":
            y = y - 0.1 * (side * x / wide).clip(0) * (sin < 0)
        sketch.stroke(face(side * eye.apart + x, y, 0.1), colour, width, closed=True)
        edge = side * np.array([eye.apart + wide, who.head.half_width])
        sketch.stroke(face(edge, np.array([eye.y, eye.y - 0.02]), np.array([0.1, -0.25])), colour, width)
    gap = eye.apart - wide
    sketch.stroke(face(np.array([-gap, 0.0, gap]), eye.y + np.array([0, -0.03, 0]), 0.12), colour, width)


def draw_beard(sketch: Sketch, who: Identity, state: FaceState) -> None:
    """Beard and moustache under the mouth; the lower ones fall with the jaw."""
    face, mouth, head = who.head.surface, who.mouth, who.head
    tone = mix(who.hair.beard_colour, who.skin, 0.62 if who.hair.beard == "stubble" else 0.0)
    if who.hair.beard in ("full", "stubble", "chinstrap"):
        turn = np.linspace(1.5, 2 * np.pi - 1.5, 27)
        rim = head.outline(turn, 0.06 if who.hair.beard == "full" else 0.005)
        s = np.linspace(-1, 1, 17)
        inner = mouth.y + (0.26 if who.hair.beard == "chinstrap" else -0.13) - 0.03 * np.cos(3 * np.pi * s)
        inner = inner + (-0.08 - inner) * np.abs(s) ** 5
        rows = np.concatenate([rim, face(0.93 * head.half_width * s, inner)])
        sketch.fill(drop_jaw(rows, state.open * 0.9), tone, ink=who.hair.beard == "full")
    if who.hair.beard == "goatee":
        x, y = 0.24 * np.cos(CIRCLE), mouth.y + 0.3 + 0.17 * np.sin(CIRCLE)
        sketch.fill(drop_jaw(face(x, y, 0.03), state.open), tone)
    if who.hair.beard in ("moustache", "goatee", "full"):
        top = mouth.y - mouth.upper - 0.12 + 0.04 * np.abs(ACROSS) ** 2
        low = mouth.y - mouth.upper * 0.7 - 0.03 + 0.07 * np.abs(ACROSS)
        reach = mouth.half_width * 1.15 * (1 - 0.2 * state.round)
        middle = 0.03 * np.exp(-((ACROSS / 0.15) ** 2))
        lift = -0.08 * max(state.open, 0.0)
        sketch.fill(face(*_ribbon(reach * ACROSS, top + middle + lift, low + lift), 0.06), tone)
