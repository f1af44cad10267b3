"""Drawn hair: styles as data, a part behind the head and a cap in front of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .drawn_geometry import OUTLINE, SOLID, points
from .drawn_identity import Identity
from .drawn_sketch import Sketch, mix


@dataclass(frozen=True)
class HairStyle:
    """A cut, in head units; every identity adds its own volume, hairline and parting."""

    cap: bool = True
    top: float = 0.1
    """How far the cap stands off the crown."""
    sides: float = 0.05
    """How far it stands off the temples."""
    down: float = 0.0
    """Height at which the cap ends at the ears."""
    line: str = "round"
    """The hairline: round, side (a parting), fringe, heart, back (receding) or band."""
    curls: int = 0
    """Bumps along the cap's outer edge."""
    bump: float = 0.0
    """Their height."""
    lift: float = 0.0
    """Extra height on the side away from the parting."""
    behind: float | None = None
    """Height at which hair behind the head ends."""
    flare: float = 0.12
    """How far hair behind the head stands out."""
    hem: float = 7.0
    """Exponent of its lower edge: 2 round, above it boxy."""
    waves: int = 0
    buns: tuple[tuple[float, float, float], ...] = ()
    """Balls behind the head: x, y and radius."""
    tail: bool = False
    crest: bool = False
    ears: bool = True
    """Whether the ears show."""


STYLES = {
    "short": HairStyle(top=0.12, sides=0.04, line="side", curls=7, bump=0.012),
    "quiff": HairStyle(top=0.14, sides=0.015, line="side", lift=0.22, down=-0.1),
    "buzz": HairStyle(top=0.03, sides=0.01, line="heart", down=-0.05),
    "bangs": HairStyle(top=0.12, sides=0.08, line="fringe", down=0.3, behind=0.75, ears=False),
    "long": HairStyle(top=0.1, sides=0.08, line="side", down=0.35, behind=1.65, flare=0.16, ears=False),
    "bob": HairStyle(top=0.11, sides=0.1, line="heart", down=0.5, behind=0.95, flare=0.2, ears=False),
    "wavy": HairStyle(
        top=0.13,
        sides=0.12,
        line="heart",
        down=0.4,
        behind=1.5,
        flare=0.26,
        waves=9,
        curls=11,
        bump=0.03,
        ears=False,
    ),
    "bun": HairStyle(top=0.06, sides=0.02, line="round", buns=((0.0, -1.14, 0.3),)),
    "buns": HairStyle(top=0.07, sides=0.03, line="heart", buns=((-0.6, -0.9, 0.27), (0.6, -0.9, 0.27))),
    "ponytail": HairStyle(top=0.08, sides=0.02, line="round", tail=True),
    "afro": HairStyle(
        top=0.36, sides=0.36, line="round", down=0.1, curls=21, bump=0.025, behind=0.6, flare=0.5, hem=2.0
    ),
    "curly": HairStyle(
        top=0.2, sides=0.15, line="curls", down=0.15, curls=10, bump=0.06, behind=0.6, flare=0.24, hem=2.5
    ),
    "mohawk": HairStyle(top=0.02, sides=0.0, line="heart", down=-0.1, crest=True),
    "receding": HairStyle(top=0.03, sides=0.05, line="back", down=0.05),
    "beanie": HairStyle(top=0.16, sides=0.08, line="band", down=-0.22),
    "scarf": HairStyle(top=0.13, sides=0.11, line="round", down=0.98, behind=1.4, flare=0.2, ears=False),
    "bald": HairStyle(cap=False),
}
LINE = np.linspace(-1, 1, 25)


def _hairline(who: Identity, style: HairStyle) -> np.ndarray:
    """Heights of the hairline across the face, at LINE times the half width, from one ear to the other."""
    top, edge = who.hair.line, np.abs(LINE)
    if style.line == "side":
        part = who.hair.parting
        sweep = np.where(part > LINE, (LINE - part) / (1 + part), (LINE - part) / (1 - part))
        return top - 0.1 + 0.32 * np.abs(sweep) ** 1.3 + 0.25 * edge**6
    if style.line == "fringe":
        teeth = 0.045 * np.abs(np.sin(3.5 * np.pi * LINE + who.hair.parting))
        return np.full_like(LINE, -0.3 + 0.06 * who.hair.parting) - teeth + 0.3 * edge**8
    if style.line == "heart":
        return top - 0.1 + 0.06 * np.cos(2.2 * np.pi * LINE) + 0.3 * edge**3
    if style.line == "back":
        return top - 0.32 + 0.75 * edge**2.5
    if style.line == "band":
        return np.full_like(LINE, -0.42) + 0.1 * edge**3
    if style.line == "curls":
        return top - 0.02 + 0.06 * np.abs(np.sin(4 * np.pi * LINE)) + 0.28 * edge**4
    return top - 0.06 + 0.3 * edge**4


def _edge(who: Identity, style: HairStyle, end: float) -> np.ndarray:
    """The outer edge of hair from the left side at height `end` over the crown to the right side."""
    reach = np.arccos(-np.sign(end) * np.abs(end) ** (who.head.jaw / 2 if end > 0 else who.head.crown / 2))
    turn = np.linspace(-reach, reach, 49 if style.curls > 8 else 33)
    up = np.cos(turn).clip(0)
    volume = 0.75 + 0.5 * who.hair.volume
    grow = volume * (style.sides + (style.top - style.sides) * up)
    grow = grow + style.lift * up**2 * (0.6 + 0.8 * np.sign(-who.hair.parting) * np.sin(turn)).clip(0)
    if style.curls:
        grow = grow + style.bump * np.abs(np.sin(turn / reach * np.pi * style.curls / 2))
    grow = grow * (1 - 0.8 * (turn / reach) ** 10)  # the ends turn in
    edge = who.head.outline(turn, grow)
    edge[:, 2] -= 0.03 + 0.4 * grow
    return edge


def draw_hair_behind(sketch: Sketch, who: Identity) -> None:
    """Whatever hangs or stands behind head and neck."""
    style = STYLES[who.hair.style]
    dark = mix(who.hair.colour, (20, 14, 30), 0.22)
    circle = np.linspace(0, 2 * np.pi, 21)[:-1]
    for x, y, radius in style.buns:
        r = radius * (0.8 + 0.4 * who.hair.volume)
        ball = points(x + r * np.cos(circle), y + 0.9 * r * np.sin(circle), -0.35, OUTLINE)
        sketch.fill(ball, who.hair.colour, ink=True)
    if style.tail:
        side = 1 if who.hair.parting > 0 else -1
        x = np.array([0.2, 0.7, 1.05, 1.12, 0.98, 0.86, 0.8, 0.6, 0.2])
        y = np.array([-0.95, -0.98, -0.6, 0.0, 0.6, 0.75, 0.2, -0.3, -0.6])
        sketch.fill(points(side * x, y, -0.6, OUTLINE), dark, ink=True)
    if style.behind is not None:
        wide = who.head.half_width * (1 + style.flare * (0.8 + 0.4 * who.hair.volume))
        turn = np.linspace(-np.pi / 2, np.pi / 2, 17)
        arc = np.stack([wide * np.sin(turn), -0.1 - (0.95 + 0.6 * style.top) * np.cos(turn)], axis=1)
        low = wide * np.cos(np.linspace(0, np.pi, 2 * style.waves + 17))
        hem = (style.behind + 0.1) * (1 - np.abs(low / wide) ** style.hem) ** (1 / style.hem) - 0.1
        hem = hem + 0.04 * (np.arange(len(low)) % 2) * bool(style.waves)
        hang = np.concatenate([arc, np.stack([low, hem], axis=1)])
        sketch.fill(points(hang[:, 0], hang[:, 1], -0.35, OUTLINE), dark, ink=True)


def draw_hair(sketch: Sketch, who: Identity) -> None:
    """The cap: its outer edge stands off the skull, its inner edge is the hairline on the face."""
    style = STYLES[who.hair.style]
    if not style.cap:
        return
    face, head = who.head.surface, who.head
    outer = _edge(who, style, style.down)
    heights = _hairline(who, style)
    x = 0.9 * head.half_width * LINE
    inner = face(x, heights)
    ends = []
    for side in (1, -1):  # sideburns run from the hair's end at the ear up to the hairline
        y = np.linspace(style.down, heights[-1 if side > 0 else 0], 5)[:-1]
        column = face(side * 0.93 * head.side(y.clip(-0.95, 0.9)), y)
        ends.append(column if side > 0 else column[::-1])
    rim = np.concatenate([outer, ends[0], inner[::-1], ends[1]])
    tone = mix(who.hair.colour, who.skin, 0.35) if who.hair.style in ("buzz", "mohawk") else who.hair.colour
    sketch.fill(rim, tone, ink=True)
    if style.crest:
        _draw_crest(sketch, who)
    _draw_accents(sketch, who, style, outer, inner)


def _draw_crest(sketch: Sketch, who: Identity) -> None:
    """A mohawk: spikes from the brow over the crown."""
    s = np.linspace(-1, 1, 15)
    tall = 0.3 + 0.25 * who.hair.volume
    tips = -1.0 - tall * (1 - 0.6 * s**2) + 0.12 * (np.arange(15) % 2)
    rim = points(0.34 * s, tips, -0.1, OUTLINE)
    root = points(0.24 * s[::-1], np.full(15, who.hair.line - 0.1), 0.0, SOLID)
    root[:, 2] = 0.45 * who.head.depth
    sketch.fill(np.concatenate([rim, root]), who.hair.colour, ink=True)


def _draw_accents(
    sketch: Sketch, who: Identity, style: HairStyle, outer: np.ndarray, inner: np.ndarray
) -> None:
    """A sheen along the cap, the cuff of a hat."""
    if style.line == "band":
        cuff = inner.copy()
        cuff[:, 1] -= 0.2
        sketch.fill(
            np.concatenate([inner, cuff[::-1]]), mix(who.hair.colour, (255, 255, 255), 0.25), ink=True
        )
        return
    if style.crest or who.manner.shading == 0:
        return
    n = len(outer)
    first, last = (int(n * 0.3), int(n * 0.5)) if who.manner.light < 0 else (int(n * 0.5), int(n * 0.7))
    arc = outer[first:last].copy()
    arc[:, :2] *= 0.86
    sketch.stroke(arc, mix(who.hair.colour, (255, 244, 220), 0.25), 0.06)
