"""From phonemes to the mouth: how far it opens, how wide and how round it is, over time."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .espeak import Phoneme, Utterance
from .prosody import RATE as PROSODY_RATE
from .prosody import Prosody

RATE = 200
"""Hz of the mouth tracks; sample i stands for the time (i + 0.5) / RATE."""
MOUTH = ("open", "width", "round")
"""The columns of the mouth tracks."""

_SMOOTHING = 0.030  # s, sigma of the Gaussian: lips take about 100 ms from target to target
_ANTICIPATION = 0.025  # s: lips move before the sound they make
_LIP_SMOOTHING = 0.012  # s: closing for p, b, m is quicker than other movements
_PAUSE = 0.09  # s: a shorter gap between phonemes is a stop in the throat, the mouth stays as it is

# symbols: (open, width, round). Open 0..1, width -1..1, round 0..1.
_TABLE = (
    ("a ä", (0.90, 0.15, 0.0)),
    ("ɑ", (0.95, 0.05, 0.0)),
    ("ɐ", (0.70, 0.10, 0.0)),
    ("ɒ", (0.80, -0.20, 0.35)),
    ("æ", (0.80, 0.45, 0.0)),
    ("ʌ", (0.65, 0.10, 0.0)),
    ("ɛ", (0.60, 0.50, 0.0)),
    ("e", (0.45, 0.65, 0.0)),
    ("ɪ ᵻ", (0.35, 0.60, 0.0)),
    ("i", (0.25, 0.95, 0.0)),
    ("ɨ", (0.30, 0.45, 0.0)),
    ("ə ɘ", (0.40, 0.10, 0.0)),
    ("ɜ ɚ ɝ", (0.42, -0.10, 0.30)),
    ("ɔ", (0.65, -0.40, 0.60)),
    ("o ɤ", (0.48, -0.55, 0.75)),
    ("ʊ", (0.35, -0.50, 0.70)),
    ("u ɯ", (0.22, -0.80, 1.0)),
    ("ʉ", (0.24, -0.70, 0.90)),
    ("y", (0.22, -0.65, 0.95)),
    ("ʏ", (0.30, -0.50, 0.80)),
    ("ø ɵ", (0.38, -0.50, 0.80)),
    ("œ", (0.52, -0.35, 0.65)),
    ("p b m", (0.0, 0.0, 0.0)),
    ("f v ɱ", (0.06, 0.20, 0.0)),
    ("θ ð", (0.22, 0.15, 0.0)),
    ("t d n l ɫ", (0.22, 0.20, 0.0)),
    ("s z", (0.10, 0.50, 0.0)),
    ("ɬ ɭ ɾ r ʈ ɖ ɳ", (0.25, 0.20, 0.0)),
    ("ʃ ʒ ʂ ʐ", (0.18, -0.30, 0.65)),
    ("ɕ ʑ", (0.14, 0.15, 0.30)),
    ("ɹ ɻ", (0.25, -0.25, 0.45)),
    ("ʁ ʀ χ", (0.30, 0.05, 0.0)),
    ("k g ɡ ŋ x ɣ q", (0.28, 0.15, 0.0)),
    ("ç j ʝ ɲ ʎ c ɟ", (0.22, 0.60, 0.0)),
    ("w ʍ ɥ", (0.15, -0.75, 0.95)),
    ("ʋ β", (0.10, 0.0, 0.20)),
    ("h ɦ ħ ʔ", (0.38, 0.10, 0.0)),
)
_BILABIAL = "pbm"
_GLIDE = (-0.2, 0.5)  # where a vowel of two letters leaves the first and reaches the second, from the half, in letters
_MEANT = {
    "de": {"ɜ": "ɐ"},
    "en-029": {"ɜ": "ɔ", "ʌ": "ɔ", "ɪ": "i"},
    "en-gb-scotland": {"ɪ": "ɘ"},
    "pt-br": {"y": "i", "æ": "ɐ"},
}
"""What espeak-ng writes in an accent, and the vowel whose first two resonances it speaks there."""
_OPENNESS = (
    *((280, 0.20), (350, 0.26), (400, 0.34), (450, 0.41), (500, 0.47)),
    *((570, 0.60), (640, 0.68), (700, 0.76), (780, 0.84), (870, 0.93)),
)
"""The first resonance in Hz of a grown-up's voice and the opening it goes with: the lower the jaw, the higher it is
(Lindblom and Sundberg, 1971). Where languages agree on a vowel, this is the table's opening."""
MEASURED_AT = (0.15, 0.3, 0.5, 0.7, 0.85)
"""The points of a vowel at which its first resonance is known."""
VOWELS = frozenset("aäɑɐɒæʌɛeɪᵻiɨəɘɜɚɝɔoɤʊuɯʉyʏøɵœ")
"""Symbols that can be held or sung."""


@cache
def viseme_table() -> dict[str, tuple[float, float, float]]:
    """IPA symbol to its mouth shape (open, width, round)."""
    return {symbol: shape for symbols, shape in _TABLE for symbol in symbols.split()}


def base_symbols(symbol: str) -> str:
    """The letters of an IPA string that have a mouth shape: "aʊ" of "äʊ̃ː", "ʃ" of "tʃ"."""
    if symbol.startswith("("):  # espeak-ng's note that the language changes: "(en)"
        return ""
    table = viseme_table()
    plain = unicodedata.normalize("NFD", symbol)
    letters = "".join(c for c in plain if c in table)
    is_affricate = len(letters) == 2 and letters[0] in "td" and letters[1] in "ʃʒszɕʑʂʐ"
    return letters[1:] if is_affricate else letters


def mouth_tracks(utterance: Utterance, prosody: Prosody) -> np.ndarray:
    """The mouth of an utterance: float32 [ceil(seconds * 200), 3], columns `MOUTH`.

    Loudness, relative to the clip, scales how far vowels open (0.65 to 1.1 of what they sound like);
    pauses and p, b, m close the mouth fully.
    """
    count = int(np.ceil(utterance.seconds * RATE))
    targets = np.zeros((count, len(MOUTH)))
    lips = np.zeros(count)
    for letters, sound, start, end in _sounding(utterance.phonemes):
        first, last = round((start - _ANTICIPATION) * RATE), round((end - _ANTICIPATION) * RATE)
        rows = np.arange(min(max(first, 0), count), min(max(last, 0), count))
        times = (rows + 0.5) / RATE + _ANTICIPATION
        targets[rows] = _shapes(letters, sound, np.interp(times, (sound.start, sound.end), sound.part))
        if letters in _BILABIAL:  # one sample wider on both sides, so that a video frame can hit the closing
            lips[max(first - 2, 0) : max(last + 2, 0)] = 1
    smooth = gaussian_filter1d(targets, _SMOOTHING * RATE, axis=0, mode="nearest")
    closing = np.clip(1.25 * gaussian_filter1d(lips, _LIP_SMOOTHING * RATE), 0, 1)
    smooth[:, 0] *= (1 - closing) * _effort(prosody, count)
    return np.clip(smooth, (0, -1, 0), 1).astype(np.float32)


def _sounding(phonemes: tuple[Phoneme, ...]) -> Iterator[tuple[str, Phoneme, float, float]]:
    """Letters and sound whose mouth is shown, and from when to when: a short stop keeps the mouth of the last."""
    end_of_last = 0.0
    last = None
    for phoneme in phonemes:
        letters = base_symbols(phoneme.symbol)
        if letters:
            last = (letters, phoneme)
        elif not last or phoneme.end - phoneme.start >= _PAUSE or phoneme.start - end_of_last >= 1e-3:
            continue
        end_of_last = phoneme.end
        yield (*last, phoneme.start, phoneme.end)


def _shapes(letters: str, sound: Phoneme, at: np.ndarray) -> np.ndarray:
    """Mouth shapes [T, 3] at points 0..1 of a sound [T], from the first letter's to the last's.

    Vowels glide, later than halfway; consonants jump. How far vowels open is how they sound in the accent
    (`vowels.json`): what one language writes like another, it may say far more open or closed.
    """
    table, letters = viseme_table(), _MEANT.get(sound.accent, {}).get(letters, letters)
    shapes = np.array([table[letter] for letter in letters])
    share = np.arange(1, len(letters)) / len(letters)
    early, late = _GLIDE if letters[0] in VOWELS else (0.0, 1e-6)
    glides = np.stack([share + early / len(letters), share + late / len(letters)], axis=1)
    times = (0.0, *glides.ravel(), 1.0)  # each letter's from and until
    made = np.stack([np.interp(at, times, np.repeat(column, 2)) for column in shapes.T], axis=1)
    resonance = first_resonances().get(sound.accent, {}).get(bare(sound.symbol))
    if resonance:
        made[:, 0] = np.interp(np.interp(at, MEASURED_AT, resonance), *np.transpose(_OPENNESS))
    return made


def bare(symbol: str) -> str:
    """An IPA symbol without marks of stress and length."""
    return symbol.translate(dict.fromkeys(map(ord, "ˈˌː")))


@cache
def first_resonances() -> dict[str, dict[str, list[float]]]:
    """Accent and IPA symbol to Hz at `MEASURED_AT`; made by `scripts/vowel_openings.py`."""
    return json.loads(Path(__file__).with_name("vowels.json").read_text(encoding="utf-8"))


def _effort(prosody: Prosody, count: int) -> np.ndarray:
    """How much of a shape's opening is used [count], from the loudness over about a syllable."""
    loud = gaussian_filter1d(prosody.loudness.astype(np.float64), 0.06 * PROSODY_RATE)
    at = (np.arange(count) + 0.5) / RATE
    measured = (np.arange(len(loud)) + 0.5) / PROSODY_RATE
    return 0.65 + 0.45 * np.sqrt(np.clip(np.interp(at, measured, loud), 0, 1))
