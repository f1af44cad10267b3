"""What the face does while it speaks or sings: one seed makes one whole performance.

Everything but the eyes' movement, rare blinks and a tenth of the head's movement follows from the sound within about a
second around, as the audio-driven part must be predictable. Frame i shows the instant (i + 0.5) / fps, the middle of
its share of the sound.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .acoustics import record
from .espeak import SAMPLE_RATE, Synthesiser
from .head_motion import LIMITS, SHARE, drift, random_speed, rotation_speed, walk
from .prosody import RATE as PROSODY_RATE
from .prosody import Prosody, measure, smooth_over_gaps
from .singing import sing_clip
from .speech import speak_clip
from .texts import SPLITS, check_split
from .types import TRACKS, Performance
from .visemes import RATE as MOUTH_RATE
from .visemes import mouth_tracks

SINGING_SHARE = 0.15
"""How many of the clips are sung when it is left open."""

_PAUSE = 0.15  # s: a silence that is long enough for a blink
_APART = 0.8  # s between two blinks at least
_PAUSE_LOUDNESS = 0.08  # of the clip's loud parts


def perform(
    seed: int,
    seconds: float,
    fps: float,
    split: str,
    singing: bool | None = None,
    *,
    speed: float | None = None,
    synthesiser: Synthesiser | None = None,
) -> Performance:
    """One clip of round(seconds * fps) frames; the same arguments give the same clip.

    `speed` asks for a head speed in degrees per frame instead of a random one. Without a `synthesiser`
    espeak-ng is started for the call. Raises ValueError for an unknown split or a clip below one frame.
    """
    check_split(split)
    count = round(seconds * fps)
    if count < 1:
        raise ValueError(f"{seconds} s at {fps} fps is no frame; ask for at least 1 / fps")
    rng = np.random.default_rng((seed, SPLITS.index(split)))
    if singing is None:
        singing = bool(rng.random() < SINGING_SHARE)
    synthesiser = synthesiser or Synthesiser()
    length = count / fps
    if singing:
        utterance = sing_clip(synthesiser, rng, length, split).utterance
    else:
        utterance = speak_clip(synthesiser, rng, length, split)
    prosody = measure(utterance.waveform)
    at = (np.arange(count) + 0.5) / fps
    track = dict.fromkeys(TRACKS, np.zeros(count))
    mouth = mouth_tracks(utterance, prosody)
    for column, name in enumerate(("open", "width", "round")):
        track[name] = sample(mouth[:, column], MOUTH_RATE, at)
    track["brow"] = np.clip(sample(brow(prosody), PROSODY_RATE, at) + _wobble(rng, count, fps, 0.02), -1, 1)
    track["smile"] = sample(smile(prosody), PROSODY_RATE, at)
    track["blink"] = blinks(rng, prosody, at)
    asked = random_speed(rng) * (1.4 if singing else 1.0) if speed is None else speed
    head = _head(rng, prosody, at, fps, asked, singing)
    track["yaw"], track["pitch"], track["roll"] = head.T
    track["gaze_x"], track["gaze_y"] = gaze(rng, head, fps).T
    track["shift_x"], track["shift_y"], track["scale"] = drift(rng, count, fps).T
    tracks = np.stack([track[name] for name in TRACKS], axis=1).astype(np.float32)
    return Performance(
        tracks=tracks,
        waveform=record(utterance.waveform, rng),
        sample_rate=SAMPLE_RATE,
        fps=fps,
        speed=rotation_speed(head),
    )


def sample(values: np.ndarray, rate: float, at: np.ndarray) -> np.ndarray:
    """Values [T], measured at (i + 0.5) / rate seconds, at other times [F]."""
    return np.interp(at, (np.arange(len(values)) + 0.5) / rate, values)


def brow(prosody: Prosody) -> np.ndarray:
    """Brows -1..1 at `PROSODY_RATE`: the voice's pitch against what it was and will be within a phrase.

    Against the median of a whole clip it could not be told from any part of it, which is all that a network hears;
    against the second around alone it would leave the pitch that is heard too often (docs/emo_tiny_history.md).
    """
    near, around = (smooth_over_gaps(prosody.relative_pitch, sigma * PROSODY_RATE) for sigma in (0.08, 0.7))
    return np.tanh(5 * (near - around))


def smile(prosody: Prosody) -> np.ndarray:
    """Corners of the mouth at `PROSODY_RATE`: up with loud and bright sound, over about a second."""
    sigma = 0.5 * PROSODY_RATE
    loud = gaussian_filter1d(prosody.loudness.astype(np.float64), sigma)
    bright = gaussian_filter1d(np.where(prosody.brightness > 0, prosody.brightness - 1.5, 0.0), sigma)
    return np.clip(0.05 + 0.7 * loud + 0.15 * bright, -0.2, 0.8)


def blinks(rng: np.random.Generator, prosody: Prosody, at: np.ndarray) -> np.ndarray:
    """Eyelids 0..1 at the frames' times [F]: 10 to 25 blinks a minute, wherever a pause begins.

    Where nobody pauses for long, there is one now and then by chance.
    """
    quiet = gaussian_filter1d(prosody.loudness.astype(np.float64), 0.03 * PROSODY_RATE) < _PAUSE_LOUDNESS
    edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(np.int8), [0]))))
    pauses = [
        start / PROSODY_RATE + 0.12
        for start, end in edges.reshape(-1, 2)
        if start and end - start > _PAUSE * PROSODY_RATE
    ]
    times: list[float] = []
    now, end = rng.uniform(-4.0, 0.0), float(at[-1])
    while now < end:
        times.append(now)
        due = now + 4.0 + rng.gamma(2.0, 1.2)
        now = min([due, *(pause for pause in pauses if pause > now + _APART)])
    lids = np.zeros(len(at))
    for time in times:
        centre = at[np.argmin(np.abs(at - time))] if 0 < time < end else time  # a frame shows it fully closed
        lids = np.maximum(lids, np.interp(at - centre, (-0.1, -0.04, 0.06, 0.18), (0, 1, 1, 0), 0, 0))
    return lids


def gaze(rng: np.random.Generator, head: np.ndarray, fps: float) -> np.ndarray:
    """Eyes [F, 2]: they hold the camera against the head's turn, with small jumps and slow drift."""
    count = len(head)
    targets, now = np.zeros((count, 2)), 0.0
    while now < count:
        fixation = rng.exponential(1.2) + 0.4
        aside = rng.normal(0, (0.12, 0.06)) if rng.random() < 0.3 else np.zeros(2)
        targets[int(now) :] = aside
        now += fixation * fps
    jumps = gaussian_filter1d(targets, max(0.02 * fps, 0.3), axis=0, mode="nearest")
    counter = head[:, :2] * (-0.5 / LIMITS[0], -0.5 / LIMITS[1])
    wobble = np.stack([_wobble(rng, count, fps, 0.02) for _ in range(2)], axis=1)
    return np.clip(jumps + counter + wobble, -1, 1)


TEMPO = 0.11
"""Seconds: the deviation of the bell that smooths the sound a head moves to."""
SWIFT = 0.6
"""Degrees per frame from which on heads turn wider and follow quicker changes."""
_TURN_SPREAD = (0.063, 0.088, 0.13)
"""Deviations of `head_turns` before they are brought to 1, over many voices."""


def head_turns(prosody: Prosody, tempo: float = TEMPO) -> np.ndarray:
    """`turns_to` the sound, at `PROSODY_RATE`."""
    return turns_to(prosody.loudness, prosody.brightness, PROSODY_RATE, tempo)


def turns_to(loudness: np.ndarray, brightness: np.ndarray, rate: float, tempo: float) -> np.ndarray:
    """Where the sound moves a head, [T, 3], of variance about 1: yaw, pitch and roll; all tracks at `rate` Hz.

    A loud moment nods the head down, swelling and fading turn it, bright sound tilts it. Each is a difference of
    neighbouring moments, so what is heard within half a second determines it.
    """

    def around(values: np.ndarray, wide: float) -> np.ndarray:
        return gaussian_filter1d(values, wide * tempo * rate, mode="nearest")

    loud, bright = loudness.astype(np.float64), brightness.astype(np.float64) / 2
    turns = (around(loud, 1) - around(loud, 3), around(bright, 1.3) - around(bright, 3))
    slope = gaussian_filter1d(loud, 1.4 * tempo * rate, order=1, mode="nearest") * tempo * rate
    return np.stack((slope, -turns[0], turns[1]), axis=1) / _TURN_SPREAD


def tempo_of(speed: float, singing: bool) -> float:
    """Tempo of `head_turns` for a head speed in degrees per frame.

    Heads that only grow quicker jitter: what is left of the movement over a few frames does not grow with its speed.
    """
    return TEMPO * (1.6 if singing else 1.0) * (SWIFT / max(speed, SWIFT)) ** 0.3


def turns_at(
    at: np.ndarray, loudness: np.ndarray, brightness: np.ndarray, rate: float, speed: float, singing: bool
) -> np.ndarray:
    """`turns_to` the sound at a head speed's tempo, at times [F] in seconds, [F, 3]."""
    turns = turns_to(loudness, brightness, rate, tempo_of(speed, singing))
    return np.stack([sample(column, rate, at) for column in turns.T], axis=1)


def limits_of(speed: float) -> np.ndarray:
    """Largest yaw, pitch and roll [3], degrees either way, of a head of that speed in degrees per frame."""
    return np.array(LIMITS) * (1 + 0.6 * max(0.0, speed - SWIFT))


def _head(
    rng: np.random.Generator, prosody: Prosody, at: np.ndarray, fps: float, speed: float, singing: bool
) -> np.ndarray:
    """Yaw, pitch, roll [F, 3] in degrees: a head that turns with the sound, `speed` degrees per frame on average.

    A tenth of the movement is a walk of its own, which keeps a head moving in silence. Singing heads follow slower
    and so wider changes of the sound; fast heads somewhat quicker and wider ones (`tempo_of`, `limits_of`).
    """
    rest = rng.uniform(-0.5, 0.5, 3) * LIMITS
    path = turns_at(at, prosody.loudness, prosody.brightness, PROSODY_RATE, speed, singing)
    own = walk(rng, len(at), fps, 1.0)
    return turned(path + 0.3 * (own - own.mean(0)) / LIMITS, rest, speed)


def turned(path: np.ndarray, rest: np.ndarray, speed: float) -> np.ndarray:
    """Yaw, pitch, roll [F, 3] of a head at `rest` [3] that goes along a path [F, 3] as far as makes `speed`."""
    room = limits_of(speed) - np.abs(rest)
    low, high = 0.0, 64.0
    for _ in range(24):
        amount = (low + high) / 2
        angles = rest + room * np.tanh(amount * path * SHARE / room)
        low, high = (amount, high) if rotation_speed(angles).mean() < speed else (low, amount)
    return rest + room * np.tanh(low * path * SHARE / room)


def _wobble(rng: np.random.Generator, count: int, fps: float, size: float) -> np.ndarray:
    """Slow noise [count] of standard deviation about `size`."""
    slow = gaussian_filter1d(rng.standard_normal(count), 0.3 * fps, mode="wrap")
    return size * slow * np.sqrt(2 * np.sqrt(np.pi) * 0.3 * fps)
