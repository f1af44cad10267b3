"""Singing: espeak-ng's speech put on a melody with the WORLD vocoder (pyworld).

Every syllable gets a note: consonants keep their time, the middle of the vowel is held, pitch is
replaced by the melody with glides and vibrato. The phonemes move along, so the mouth stays exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from types import ModuleType

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .espeak import SAMPLE_RATE, Phoneme, Synthesiser, Utterance
from .speech import cut, join, random_voice, silence, trimmed
from .texts import random_sentence
from .visemes import VOWELS, base_symbols

FRAME = 0.005
"""Seconds between WORLD's frames."""

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
_RHYTHM = (0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.5, 2.0, 3.0)  # beats a note lasts
_KEYNOTES = (90.0, 330.0)  # Hz
_HELD = (0.25, 0.65)  # the part of a vowel that is stretched


@dataclass(frozen=True)
class Song:
    """A sung clip and what was asked for."""

    utterance: Utterance
    melody: np.ndarray
    """The notes' pitch in Hz, 0 in rests and between clips, float32 at one value per `FRAME`, no vibrato."""


def sing_clip(synthesiser: Synthesiser, rng: np.random.Generator, seconds: float, split: str) -> Song:
    """A sung clip of exactly `seconds`: one voice, one scale and beat, rests between the lines."""
    synthesiser.restart()
    voice, language = random_voice(rng, split)
    tune = _Tune(rng)
    parts, notes = [silence(rng.uniform(0.0, 0.5))], []
    notes.append(np.zeros(round(parts[0].seconds / FRAME), np.float32))
    while sum(part.seconds for part in parts) < seconds:
        line = trimmed(synthesiser.speak(random_sentence(rng, language, split), voice))
        rest = silence(round(rng.uniform(0.2, 1.0) / FRAME) * FRAME)
        sung, melody = _sing(line, tune, rng)
        parts += [sung, rest]
        notes += [melody, np.zeros(round(rest.seconds / FRAME), np.float32)]
    melody = np.concatenate(notes)[: round(seconds / FRAME)]
    return Song(cut(join(parts), seconds), np.pad(melody, (0, round(seconds / FRAME) - len(melody))))


class _Tune:
    """Draws notes: a walk on a scale, in beats."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._scale = _SCALES[rng.integers(len(_SCALES))]
        self._step = int(rng.integers(-1, 4))
        self.beat = 60 / rng.uniform(75, 140)
        self.lift = rng.uniform(0.1, 0.7)  # octaves of the keynote above the spoken pitch

    def note(self) -> tuple[float, float]:
        """Octaves above the keynote and seconds of the next note."""
        self._step = int(
            np.clip(self._step + self._rng.choice((-2, -1, -1, 0, 1, 1, 2, 4)), -2, len(self._scale))
        )
        octave, degree = divmod(self._step, len(self._scale))
        return octave + self._scale[degree] / 12, float(self._rng.choice(_RHYTHM)) * self.beat


def _vocoder() -> ModuleType:
    """pyworld, which still imports `pkg_resources`. Raises ImportError that says what to install."""
    try:
        import pyworld
    except ImportError as error:
        raise ImportError('singing needs: pip install pyworld "setuptools<81"') from error
    return pyworld


def _sing(line: Utterance, tune: _Tune, rng: np.random.Generator) -> tuple[Utterance, np.ndarray]:
    pyworld = _vocoder()
    speech = line.waveform.astype(np.float64)
    f0, times = pyworld.dio(speech, SAMPLE_RATE, frame_period=FRAME * 1000)
    f0 = pyworld.stonemask(speech, f0, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(speech, f0, times, SAMPLE_RATE)
    breath = pyworld.d4c(speech, f0, times, SAMPLE_RATE)
    spoken = float(np.median(f0[f0 > 0])) if (f0 > 0).any() else 150.0
    key = float(np.clip(spoken * 2**tune.lift, *_KEYNOTES))
    knots, melody = _score(line.phonemes, line.seconds, tune, key)
    count = round(knots[-1, 1] / FRAME)
    source = np.interp(np.arange(count) * FRAME, knots[:, 1], knots[:, 0]) / FRAME
    nearest = np.clip(np.round(source).astype(int), 0, len(f0) - 1)
    melody = melody[:count]
    pitch = np.where(f0[nearest] > 0, _expressive(melody, rng), 0.0)
    waveform = pyworld.synthesize(pitch, envelope[nearest], breath[nearest], SAMPLE_RATE, FRAME * 1000)
    waveform = np.pad(waveform, (0, max(0, round(count * FRAME * SAMPLE_RATE) - len(waveform))))
    waveform = waveform[: round(count * FRAME * SAMPLE_RATE)]
    waveform *= 0.5 / max(float(np.abs(waveform).max()), 1e-3)

    def move(time: float) -> float:
        return float(np.interp(time, knots[:, 0], knots[:, 1]))

    def moved(phoneme: Phoneme) -> Iterator[Phoneme]:
        """In pieces where its middle is held, each with the part of the sound that is heard in it."""
        inside = [time for time in knots[:, 0] if phoneme.start < time < phoneme.end]
        for start, end in pairwise((phoneme.start, *inside, phoneme.end)):
            yield replace(phoneme.within(start, end), start=move(start), end=move(end))

    phonemes = tuple(piece for phoneme in line.phonemes for piece in moved(phoneme))
    return Utterance(waveform.astype(np.float32), phonemes), np.where(pitch > 0, melody, 0).astype(np.float32)


def _score(
    phonemes: tuple[Phoneme, ...], seconds: float, tune: _Tune, key: float
) -> tuple[np.ndarray, np.ndarray]:
    """Give each vowel a note. Returns (spoken, sung) time knots [K, 2] and the pitch in Hz per frame."""
    knots, notes, shift = [(0.0, 0.0)], [], 0.0
    for phoneme in phonemes:
        letters = base_symbols(phoneme.symbol)
        if not letters or letters[0] not in VOWELS:
            continue
        octaves, length = tune.note()
        start, end = ((1 - part) * phoneme.start + part * phoneme.end for part in _HELD)
        stretch = max(length - (phoneme.end - phoneme.start), 0.0)
        knots += [(start, start + shift), (end, end + shift + stretch)]
        shift += stretch
        notes.append((end + shift, key * 2**octaves))  # the note lasts until its vowel's middle ends
    total = round((seconds + shift) / FRAME) * FRAME
    knots.append((seconds, total))
    melody = np.empty(round(total / FRAME))
    first = 0
    for until, hertz in notes:
        melody[first : round(until / FRAME)] = hertz
        first = round(until / FRAME)
    melody[first:] = notes[-1][1] if notes else key
    return np.array(knots), melody


def _expressive(melody: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Glides of about 60 ms between notes, and vibrato that grows while a note is held."""
    octaves = gaussian_filter1d(np.log2(melody), 0.03 / FRAME)
    held = np.zeros(len(melody))
    for i in range(1, len(melody)):
        held[i] = held[i - 1] + FRAME if melody[i] == melody[i - 1] else 0.0
    depth = rng.uniform(15, 45) / 1200 * np.clip((held - 0.2) / 0.3, 0, 1)
    phase = 2 * np.pi * rng.uniform(4.8, 6.3) * np.arange(len(melody)) * FRAME
    return 2 ** (octaves + depth * np.sin(phase))
