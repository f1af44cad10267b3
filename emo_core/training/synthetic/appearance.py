"""What an identity looks like, drawn from a seed: sliders, colours, hair style, dress, light, camera."""

from __future__ import annotations

import colorsys

import numpy as np

from .hair import HairStyle
from .head_mesh import MIDDLE_CHANGES, PAIRED_CHANGES
from .look import Beard, Brows, Glasses, Look
from .rasterizer import Lights

SKIN_TONES = np.array([
    (255, 224, 202), (246, 208, 180), (240, 196, 160), (228, 180, 140), (214, 162, 118), (198, 144, 102),
    (172, 118, 80), (146, 96, 62), (118, 74, 48), (92, 58, 40), (80, 52, 38), (250, 214, 205),
]) / 255  # fmt: skip
HAIR_TONES = np.array([
    (22, 18, 18), (38, 26, 20), (62, 40, 26), (92, 58, 34), (128, 84, 48), (168, 120, 66), (214, 172, 104),
    (236, 212, 160), (150, 62, 28), (186, 82, 40), (150, 150, 152), (216, 216, 218),
]) / 255  # fmt: skip
IRIS_TONES = np.array([
    (62, 36, 20), (92, 54, 26), (120, 84, 34), (60, 110, 60), (80, 140, 110), (56, 110, 170), (96, 150, 200),
    (110, 124, 134), (24, 60, 130), (130, 90, 150),
]) / 255  # fmt: skip


def hsv(h: float, s: float, v: float) -> np.ndarray:
    """RGB 0..1 of hue, saturation and value 0..1."""
    return np.array(colorsys.hsv_to_rgb(h % 1, s, v))


def draw_look(seed: int) -> Look:
    """The identity of a seed; the same seed gives the same identity for ever."""
    rng = np.random.default_rng(seed)
    female = rng.random() < 0.5
    ages = [rng.uniform(0.30, 0.45), rng.uniform(0.45, 0.75), rng.uniform(0.75, 1.0)]
    age = float(rng.choice(ages, p=[0.2, 0.6, 0.2]))
    phenotype = _phenotype(rng, female, age)
    skin, fantasy = _skin(rng)
    hair_color = _hair_color(rng, fantasy, age)
    hair = _hair_style(rng, female, age)
    brow_color = np.clip(np.minimum(hair_color * rng.uniform(0.45, 0.8), skin.mean() * 0.5), 0.02, 0.5)
    backdrop_colors = np.stack([_backdrop_color(rng, skin) for _ in range(3)])
    return Look(
        phenotype=phenotype,
        changes=_changes(rng, fantasy),
        eye_size=float(rng.uniform(1.30, 1.60) + 0.08 * fantasy),
        iris_angle=float(rng.uniform(0.52, 0.62)),
        skin=skin,
        lips=_lips(rng, skin, female),
        blush=np.append(np.clip(skin * (1.08, 0.68, 0.68), 0, 1), rng.uniform(0, 0.55)),
        freckles=float(rng.random() < 0.12),
        eye_shadow=_eye_shadow(rng, female),
        iris=_iris(rng, fantasy),
        brows=_brows(rng, female, brow_color),
        hair=hair,
        hair_color=hair_color,
        stubble=float(rng.choice([0.0, 0.35, 0.7])),
        beard=None if female or age < 0.5 else _beard(rng, np.minimum(hair_color, 0.8 * skin)),
        glasses=_glasses(rng) if rng.random() < 0.25 else None,
        cloth=_cloth(rng),
        collar=float(rng.choice([0.0, 0.004, 0.012, 0.035], p=[0.3, 0.3, 0.25, 0.15])),
        shoulder_width=float(rng.uniform(0.16, 0.19) if female else rng.uniform(0.18, 0.225)),
        lights=_lights(rng),
        distance=float(rng.uniform(0.65, 1.9)),
        fraction=float(rng.uniform(0.64, 0.76)),
        place=np.array([0.5 + rng.normal(0, 0.025), rng.uniform(0.50, 0.55)]),
        backdrop=int(rng.integers(5)),
        backdrop_colors=backdrop_colors,
        seed=int(rng.integers(2**31)),
    )


def _eye_shadow(rng: np.random.Generator, female: bool) -> np.ndarray:
    """Colour and strength, [4]."""
    color, strength = hsv(rng.random(), 0.6, 0.5), rng.uniform(0.3, 0.7)
    return np.append(color, strength * (female and rng.random() < 0.35))


def _iris(rng: np.random.Generator, fantasy: bool) -> np.ndarray:
    if fantasy and rng.random() < 0.5:
        return hsv(rng.random(), 0.9, 0.9)
    return IRIS_TONES[rng.integers(len(IRIS_TONES))]


def _brows(rng: np.random.Generator, female: bool, color: np.ndarray) -> Brows:
    return Brows(
        thickness=float(rng.uniform(0.0030, 0.0058) * (0.85 if female else 1.1)),
        length=float(rng.uniform(0.036, 0.046)),
        arch=float(rng.uniform(0.001, 0.006)),
        tilt=float(rng.normal(0, 0.06)),
        color=color,
    )


def _phenotype(rng: np.random.Generator, female: bool, age: float) -> dict[str, float]:
    mix = rng.dirichlet((0.5, 0.5, 0.5))
    return {
        "gender": float(np.clip((0.12 if female else 0.88) + rng.normal(0, 0.12), 0, 1)),
        "age": age,
        "weight": float(np.clip(rng.normal(0.5, 0.2), 0.05, 1)),
        "muscle": float(np.clip(rng.normal(0.5, 0.2), 0.05, 1)),
        "african": float(mix[0]),
        "asian": float(mix[1]),
        "caucasian": float(mix[2]),
    }


def _changes(rng: np.random.Generator, fantasy: bool) -> dict[str, float]:
    spread = 0.5 if fantasy else 0.33
    changes = {
        name: float(np.clip(rng.normal(0, spread), -0.9, 0.9)) for name in MIDDLE_CHANGES + PAIRED_CHANGES
    }
    changes["ear-shape-triangle"] = float(fantasy and rng.random() < 0.7)
    changes["eye-height2-incr"] = float(rng.uniform(0.0, 0.8))
    changes["eye-scale-incr"] = float(rng.uniform(0, 0.6))
    changes["eyebrows-trans-up"] = float(rng.uniform(0.0, 0.6))
    return changes


def _skin(rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """A skin colour, and whether it is a cartoon one (green, blue, violet, grey)."""
    if rng.random() < 0.09:
        hue = rng.choice([rng.uniform(0.22, 0.45), rng.uniform(0.48, 0.64), rng.uniform(0.68, 0.84)])
        return hsv(hue, rng.uniform(0.25, 0.6), rng.uniform(0.6, 0.92)), True
    a, b = SKIN_TONES[rng.integers(len(SKIN_TONES), size=2)]
    tone = a + rng.uniform(0, 0.35) * (b - a)
    return np.clip(tone * rng.uniform(0.94, 1.04) * (1 + rng.normal(0, 0.015, 3)), 0.1, 1), False


def _lips(rng: np.random.Generator, skin: np.ndarray, female: bool) -> np.ndarray:
    natural = np.clip(0.58 * skin * (0.95, 0.58, 0.58) + 0.42 * np.array((0.78, 0.26, 0.29)), 0, 1)
    if female and rng.random() < 0.6:
        paint = hsv(rng.uniform(0.90, 1.04), rng.uniform(0.5, 0.85), rng.uniform(0.55, 0.9))
        return 0.25 * natural + 0.75 * paint
    return natural


def _hair_color(rng: np.random.Generator, fantasy: bool, age: float) -> np.ndarray:
    if rng.random() < (0.5 if fantasy else 0.10):
        return hsv(rng.random(), rng.uniform(0.5, 0.85), rng.uniform(0.4, 0.9))
    tones = HAIR_TONES[rng.integers(len(HAIR_TONES) - (0 if age > 0.75 else 2), size=2)]
    return np.clip(tones[0] + rng.uniform(0, 0.3) * (tones[1] - tones[0]), 0.06, 1)


def _hair_style(rng: np.random.Generator, female: bool, age: float) -> HairStyle | None:
    """One of the families below with random lengths; None is bald."""
    line = rng.uniform(0.80, 0.87)
    thick = rng.uniform(0.010, 0.024)
    part = rng.normal(0, 0.035)
    back = rng.uniform(0.08, 0.2)
    ear = rng.uniform(0.36, 0.52)
    weights = (
        np.array([0, 1, 2, 3, 3, 4, 3, 1, 1, 0.6])
        if female
        else np.array([1.6, 2.5, 4, 2, 0.5, 0.7, 0.3, 1, 0.2, 0.8])
    )
    kind = rng.choice(10, p=weights / weights.sum())
    low = rng.uniform(-0.45, -0.1)
    fringe = rng.uniform(0.70, 0.78)
    if kind == 0:
        return None
    if kind == 1:  # cropped
        return HairStyle(rng.uniform(0.003, 0.007), (line, 0.72, ear + 0.05, back))
    if kind == 2:  # short with a quiff
        return HairStyle(
            thick,
            (line, 0.72, ear, back),
            parting=part,
            curls=rng.uniform(0, 0.2),
            ridge=rng.uniform(0, 0.016),
            ridge_width=0.06,
        )
    if kind == 3:  # short with a fringe
        return HairStyle(thick, (fringe, fringe - 0.06, ear, back), (True, False, False, False), jagged=0.02)
    if kind == 4:  # bob with a fringe
        end = rng.uniform(0.0, 0.25)
        return HairStyle(thick, (fringe, end + 0.05, end, end), (True, True, True, True), jagged=0.01)
    if kind == 5:  # long, parted
        return HairStyle(
            thick,
            (line, low + 0.1, low, low),
            (False, True, True, True),
            parting=part,
            jagged=0.02,
            curls=rng.uniform(0, 0.35),
        )
    if kind == 6:  # put up in a bun, or two
        size = rng.uniform(0.026, 0.042)
        knots = (
            ((0, 72, 180, size),)
            if rng.random() < 0.5
            else ((0, 48, 50, size * 0.9), (0, 48, 310, size * 0.9))
        )
        return HairStyle(thick * 0.6, (line, 0.72, 0.52, 0.25), parting=part, knots=knots)
    if kind == 7:  # afro
        return HairStyle(rng.uniform(0.03, 0.055), (line - 0.02, 0.66, 0.42, 0.12), curls=0.06)
    if kind == 8:  # bunches at the sides
        size = rng.uniform(0.030, 0.042)
        return HairStyle(
            thick * 0.7,
            (fringe, 0.66, 0.5, 0.2),
            (True, False, False, False),
            knots=((0, 8, 96, size), (0, 8, 264, size)),
        )
    return HairStyle(0.004, (line, 0.74, ear + 0.06, back), ridge=rng.uniform(0.025, 0.05))  # mohawk


def _beard(rng: np.random.Generator, hair_color: np.ndarray) -> Beard | None:
    if rng.random() < 0.5:
        return None
    kind = rng.integers(5)
    moustache, chin, jaw = ((1, 0, 0), (1, 1, 0), (1, 1, 1), (0.4, 0.4, 0.4), (0, 1, 0))[kind]
    volume = 0.0 if kind == 3 else rng.uniform(0.002, 0.007)
    return Beard(moustache, chin, jaw, float(volume), np.clip(hair_color * rng.uniform(0.75, 1.0), 0.03, 0.9))


def _glasses(rng: np.random.Generator) -> Glasses:
    half = rng.uniform(0.024, 0.028)
    color = hsv(rng.random(), 0.8, 0.7) if rng.random() < 0.4 else np.full(3, rng.uniform(0.03, 0.15))
    return Glasses(
        half,
        half * rng.uniform(0.72, 1.0),
        float(rng.choice([2, 2.6, 4.5])),
        rng.uniform(0.0012, 0.0021),
        color,
    )


def _cloth(rng: np.random.Generator) -> np.ndarray:
    cloth = hsv(rng.random(), rng.uniform(0.1, 0.85), rng.uniform(0.15, 0.9))
    collar = (
        cloth * 0.8 if rng.random() < 0.6 else hsv(rng.random(), rng.uniform(0, 0.6), rng.uniform(0.3, 0.95))
    )
    stripe = hsv(rng.random(), rng.uniform(0, 0.7), rng.uniform(0.3, 0.95)) if rng.random() < 0.25 else cloth
    return np.stack([cloth, collar, stripe])


def _backdrop_color(rng: np.random.Generator, skin: np.ndarray) -> np.ndarray:
    """A colour that the skin stands out from."""
    for _ in range(20):
        color = hsv(rng.random(), rng.uniform(0.05, 0.6), rng.uniform(0.25, 0.95))
        if np.abs(color - skin).max() > 0.25:
            break
    return color


def _lights(rng: np.random.Generator) -> Lights:
    side = rng.choice([-1, 1])
    key = np.array([side * rng.uniform(0.15, 0.9), -1.0, rng.uniform(0.2, 0.9)])
    fill = np.array([-side * rng.uniform(0.5, 1.2), -1.0, rng.uniform(-0.3, 0.3)])
    rim = np.array([-side * rng.uniform(0.6, 1.0), 0.9, rng.uniform(0.2, 0.8)])
    directions = np.stack([d / np.linalg.norm(d) for d in (key, fill, rim)])
    warmth = np.array([rng.uniform(0.0, 0.06), 0.0, -rng.uniform(0.0, 0.06)]) * rng.choice([-1, 1])
    strength = np.array([rng.uniform(0.50, 0.68), rng.uniform(0.10, 0.24), rng.uniform(0.05, 0.3)])
    colors = strength[:, None] * (1 + np.stack([warmth, -warmth, 0 * warmth]))
    sky = rng.uniform(0.36, 0.46) * np.ones(3)
    return Lights(*(a.astype(np.float32) for a in (directions, colors, sky, sky * rng.uniform(0.5, 0.8))))
