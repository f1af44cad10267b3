"""Who a drawn portrait shows: every choice of form, colour and style, drawn from one seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .drawn_geometry import HeadShape, Placement
from .drawn_palette import IRISES, NATURAL_HAIRS, any_colour, clear_of_mouth, pick, skin_tone, vary
from .drawn_sketch import Colour, mix

HAIRS = {
    "short": 6, "quiff": 3, "buzz": 3, "bangs": 4, "long": 6, "bob": 5, "wavy": 4, "bun": 4, "buns": 2,
    "ponytail": 4, "afro": 4, "curly": 4, "mohawk": 2, "bald": 3, "receding": 2, "beanie": 2, "scarf": 3,
}  # fmt: skip
"""Hair styles and how often each is drawn."""
BACKGROUNDS = {
    "plain": 3, "gradient": 4, "horizon": 2, "blocks": 2, "circles": 2, "rays": 1, "stripes": 1.5,
}  # fmt: skip
"""Backgrounds and how often each is drawn."""


@dataclass(frozen=True)
class Eyes:
    """Places and sizes in head units."""

    apart: float
    y: float
    half_width: float
    half_height: float
    roundness: float
    """Exponent of the lids' curve: small is a box, 1 a lens."""
    tilt: float
    iris: float
    """Radius of the iris against the eye's half height."""
    colour: Colour
    lid: Colour
    lashes: bool
    lash_width: float


@dataclass(frozen=True)
class Mouth:
    y: float
    half_width: float
    upper: float
    lower: float
    bow: float
    colour: Colour
    tongue: bool
    teeth: bool
    curve: float = 0.0
    """Of the smile it is drawn with, whatever the face does."""
    tilt: float = 0.0
    line: float = 0.022
    """Thickness of the closed mouth's line."""


@dataclass(frozen=True)
class Brows:
    y: float
    half_width: float
    thickness: float
    arch: float
    tilt: float
    colour: Colour


@dataclass(frozen=True)
class Nose:
    style: str
    y: float
    size: float


@dataclass(frozen=True)
class Hair:
    style: str
    colour: Colour
    line: float
    """Height of the hairline in head units."""
    volume: float
    """0 flat .. 1 full."""
    parting: float
    beard: str
    beard_colour: Colour


@dataclass(frozen=True)
class Adornment:
    """What an identity wears on the face."""

    ear_size: float
    earrings: Colour | None
    cheeks: str
    cheek_colour: Colour
    glasses: str
    glasses_colour: Colour


@dataclass(frozen=True)
class Clothes:
    collar: str
    cloth: Colour
    second: Colour
    pattern: str
    shoulders: float
    neck: float
    """Half widths in head units."""


@dataclass(frozen=True)
class Manner:
    """The hand that drew the portrait."""

    shade: Colour
    shading: int
    """Steps of the shadow on one side of the face: 0 none, 1 a comic's hard edge, 8 soft."""
    light: float
    """-1 light from the picture's left, 1 from its right."""
    ink: Colour | None
    ink_width: float
    background: str
    seed: int
    """Of the background and the freckles."""


@dataclass(frozen=True)
class Identity:
    """All that stays the same in every frame of a portrait."""

    place: Placement
    head: HeadShape
    skin: Colour
    eyes: Eyes
    brows: Brows
    mouth: Mouth
    nose: Nose
    hair: Hair
    worn: Adornment
    clothes: Clothes
    manner: Manner


def _lips(rng: np.random.Generator, skin: Colour) -> Colour:
    bright = sum(skin) / 3
    natural = mix(skin, (186, 74, 76) if bright > 130 else (190, 96, 100), rng.uniform(0.5, 0.85))
    paint = ((206, 44, 56), (222, 92, 120), (196, 96, 70), (150, 66, 120))[rng.integers(4)]
    colour = vary(rng, paint if rng.random() < 0.3 else natural, 6)
    return colour if clear_of_mouth(colour, 75) else mix(colour, (230, 120, 120), 0.5)


def _hair_colour(rng: np.random.Generator) -> Colour:
    if rng.random() < 0.2:
        return any_colour(rng, 0.9, 110)
    return vary(rng, NATURAL_HAIRS[rng.integers(len(NATURAL_HAIRS))], 5)


def _eyes(rng: np.random.Generator, head: HeadShape, skin: Colour, feminine: bool) -> Eyes:
    apart = head.half_width * rng.uniform(0.42, 0.48)
    large = rng.random() < 0.2
    width = min(rng.uniform(0.2, 0.25) if large else rng.uniform(0.16, 0.21), apart * 0.66)
    iris = IRISES[rng.integers(len(IRISES))] if rng.random() < 0.85 else any_colour(rng, 1.0, 120)
    makeup = any_colour(rng, 0.6, 90) if feminine and rng.random() < 0.25 else mix(skin, (70, 40, 40), 0.16)
    return Eyes(
        apart=apart,
        y=rng.uniform(-0.02, 0.1),
        half_width=width,
        half_height=width * (rng.uniform(0.9, 1.15) if large else rng.uniform(0.52, 0.92)),
        roundness=rng.uniform(0.5, 0.85),
        tilt=rng.normal(0, 0.012) - 0.01,
        iris=rng.uniform(0.68, 0.9),
        colour=vary(rng, iris, 6),
        lid=makeup,
        lashes=feminine and rng.random() < 0.7,
        lash_width=rng.uniform(0.025, 0.05),
    )


def _brows(rng: np.random.Generator, eyes: Eyes, hair: Colour, skin: Colour, feminine: bool) -> Brows:
    colour = mix(hair, (30, 24, 24), 0.35)
    if np.linalg.norm(np.subtract(colour, skin)) < 70:
        colour = mix(skin, (30, 20, 20), 0.6)
    return Brows(
        y=eyes.y - eyes.half_height - rng.uniform(0.12, 0.17),
        half_width=eyes.half_width * rng.uniform(0.95, 1.25),
        thickness=rng.uniform(0.018, 0.035) if feminine else rng.uniform(0.028, 0.058),
        arch=rng.uniform(0.01, 0.07),
        tilt=rng.normal(0, 0.02),
        colour=colour,
    )


def _mouth(rng: np.random.Generator, head: HeadShape, skin: Colour, feminine: bool) -> Mouth:
    full = rng.uniform(0.045, 0.085) if feminine else rng.uniform(0.025, 0.06)
    return Mouth(
        y=rng.uniform(0.55, 0.61),
        half_width=head.half_width * rng.uniform(0.3, 0.4),
        upper=full * rng.uniform(0.7, 1.0),
        lower=full * rng.uniform(0.95, 1.3),
        bow=rng.uniform(0, 0.45),
        colour=_lips(rng, skin),
        tongue=rng.random() < 0.6,
        teeth=rng.random() < 0.75,
    )


def _hair(rng: np.random.Generator, skin: Colour, colour: Colour, feminine: bool) -> Hair:
    style, cover = pick(rng, HAIRS), any_colour(rng, 0.8, 90)
    beards = {"none": 9, "stubble": 2, "goatee": 1.2, "moustache": 1.5, "full": 2.5, "chinstrap": 0.8}
    # a beard takes the hair's colour, darkened where it would not show on the skin
    tone = mix(colour, (30, 24, 22), 0.5) if np.linalg.norm(np.subtract(colour, skin)) < 80 else colour
    return Hair(
        style=style,
        colour=cover if style in ("beanie", "scarf") else colour,
        line=rng.uniform(-0.66, -0.5),
        volume=rng.uniform(0.0, 1.0),
        parting=rng.uniform(-0.5, 0.5),
        beard="none" if feminine or style == "scarf" else pick(rng, beards),
        beard_colour=mix(tone, skin, rng.uniform(0, 0.15)),
    )


def _worn(rng: np.random.Generator, skin: Colour, feminine: bool) -> Adornment:
    return Adornment(
        ear_size=rng.uniform(0.14, 0.22),
        earrings=any_colour(rng, 0.8, 150) if feminine and rng.random() < 0.45 else None,
        cheeks=pick(rng, {"none": 5, "blush": 4, "freckles": 1.5}),
        cheek_colour=mix(skin, (226, 80, 90), rng.uniform(0.2, 0.42)),
        glasses=pick(rng, {"none": 7, "round": 1.5, "square": 1.5, "cat": 1}),
        glasses_colour=any_colour(rng, 0.8, 40) if rng.random() < 0.5 else (32, 28, 30),
    )


def _clothes(rng: np.random.Generator, feminine: bool) -> Clothes:
    collars = {"crew": 3, "vee": 3, "shirt": 3, "turtle": 2, "hood": 2, "scoop": 2, "jacket": 2}
    return Clothes(
        collar=pick(rng, collars),
        cloth=any_colour(rng, 0.85, 50),
        second=any_colour(rng, 0.85, 120),
        pattern=pick(rng, {"plain": 6, "stripes": 2, "dots": 1.5}),
        shoulders=rng.uniform(1.35, 1.85),
        neck=rng.uniform(0.3, 0.36) if feminine else rng.uniform(0.36, 0.48),
    )


def _manner(rng: np.random.Generator, skin: Colour) -> Manner:
    inked = rng.random()
    return Manner(
        shade=mix(skin, (60, 24, 60), rng.uniform(0.16, 0.3)),
        shading=int(rng.choice([0, 1, 8], p=[0.35, 0.25, 0.4])),
        light=float(rng.choice([-1.0, 1.0])),
        ink=None if inked < 0.5 else (34, 26, 34) if inked < 0.8 else mix(skin, (40, 20, 30), 0.75),
        ink_width=rng.uniform(0.018, 0.045),
        background=pick(rng, BACKGROUNDS),
        seed=int(rng.integers(2**31)),
    )


def sample_identity(seed: int) -> Identity:
    """The identity of a seed; continuous choices make any two seeds differ."""
    rng = np.random.default_rng(seed)
    feminine = rng.random() < 0.5
    head = HeadShape(
        half_width=rng.uniform(0.7, 0.88),
        depth=rng.uniform(0.62, 0.74),
        crown=rng.uniform(2.0, 2.5),
        jaw=rng.uniform(1.75, 2.2) if feminine else rng.uniform(1.9, 2.9),
        cheek=rng.uniform(0.0, 0.09),
    )
    skin, hair = skin_tone(rng), _hair_colour(rng)
    if np.linalg.norm(np.subtract(hair, skin)) < 60:
        hair = mix(hair, (34, 26, 24), 0.6)
    eyes = _eyes(rng, head, skin, feminine)
    noses = {"hook": 3, "wedge": 3, "button": 2, "nostrils": 2, "bridge": 2, "bulb": 2}
    return Identity(
        place=Placement(rng.uniform(0.46, 0.54), rng.uniform(0.45, 0.50), rng.uniform(0.295, 0.36)),
        head=head,
        skin=skin,
        eyes=eyes,
        brows=_brows(rng, eyes, hair, skin, feminine),
        mouth=_mouth(rng, head, skin, feminine),
        nose=Nose(pick(rng, noses), rng.uniform(0.27, 0.34), rng.uniform(0.07, 0.13)),
        hair=_hair(rng, skin, hair, feminine),
        worn=_worn(rng, skin, feminine),
        clothes=_clothes(rng, feminine),
        manner=_manner(rng, skin),
    )


def plain(who: Identity) -> Identity:
    """The same person as a plain cartoon: a mouth like a line, perhaps askew, broad brows, large round eyes, flat skin.

    Avatars that people hand in are often drawn so.
    """
    rng = np.random.default_rng((who.manner.seed, 1))
    width = min(who.eyes.half_width * rng.uniform(0.75, 1.05), 0.6 * who.eyes.apart)
    eyes = replace(
        who.eyes,
        half_width=width,
        half_height=width * rng.uniform(0.9, 1.35),
        roundness=rng.uniform(0.42, 0.6),
        iris=rng.uniform(0.75, 1.0),
        colour=vary(rng, (70, 46, 36), 12) if rng.random() < 0.6 else who.eyes.colour,
        lash_width=rng.uniform(0.012, 0.045),
    )
    thickness = rng.uniform(0.03, 0.075)
    # the order of the draws is that of the people whom the fourteenth emo-tiny was shown
    lips = replace(
        who.mouth,
        half_width=who.mouth.half_width * rng.uniform(0.7, 1.3),
        upper=rng.uniform(0, 0.012),
        lower=rng.uniform(0, 0.018),
        colour=mix(who.skin, (150, 70, 70), rng.uniform(0, 0.35)),
    )
    nose = replace(who.nose, style=pick(rng, {"hook": 2, "button": 2, "bulb": 1}), size=rng.uniform(0.05, 0.09))
    ink = None if rng.random() < 0.7 else who.manner.ink
    smiling, askew = rng.random(2)
    return replace(
        who,
        eyes=eyes,
        brows=replace(
            who.brows,
            y=eyes.y - eyes.half_height - thickness - rng.uniform(0.03, 0.13),
            half_width=width * rng.uniform(0.9, 1.35),
            thickness=thickness,
            colour=mix(who.hair.colour, who.brows.colour, rng.uniform(0, 1)),
        ),
        mouth=replace(
            lips,
            curve=rng.uniform(0, 0.8) if smiling < 0.6 else 0.0,
            tilt=rng.normal(0, 0.02) if askew < 0.4 else 0.0,
            line=rng.uniform(0.014, 0.026),
        ),
        nose=nose,
        manner=replace(who.manner, shading=0, ink=ink),
    )
