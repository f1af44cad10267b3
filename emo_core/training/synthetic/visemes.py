"""From phonemes to the mouth: how far it opens, how wide and how round it is, over time."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

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
    ("ɑ ɐ", (0.95, 0.05, 0.0)),
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
VOWELS = frozenset("aäɑɐɒæʌɛeɪᵻiɨəɘɜɚɝɔoɤʊuɯʉyʏøɵœ")
"""Symbols that can be held or sung."""


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

    Loudness, relative to the clip, scales how far vowels open (0.65 to 1.1 of the table's value);
    pauses and p, b, m close the mouth fully.
    """
    count = int(np.ceil(utterance.seconds * RATE))
    targets = np.zeros((count, len(MOUTH)))
    lips = np.zeros(count)
    for letter, shape, start, end in _shapes(utterance.phonemes):
        first, last = round((start - _ANTICIPATION) * RATE), round((end - _ANTICIPATION) * RATE)
        targets[max(first, 0) : max(last, 0)] = shape
        if letter in _BILABIAL:  # one sample wider on both sides, so that a video frame can hit the closing
            lips[max(first - 2, 0) : max(last + 2, 0)] = 1
    smooth = gaussian_filter1d(targets, _SMOOTHING * RATE, axis=0, mode="nearest")
    closing = np.clip(1.25 * gaussian_filter1d(lips, _LIP_SMOOTHING * RATE), 0, 1)
    smooth[:, 0] *= (1 - closing) * _effort(prosody, count)
    return np.clip(smooth, (0, -1, 0), 1).astype(np.float32)


def _shapes(phonemes: tuple[Phoneme, ...]) -> Iterator[tuple[str, tuple[float, float, float], float, float]]:
    """Every mouth shape with its time; a diphthong gives two."""
    table = viseme_table()
    end_of_last = 0.0
    last = None
    for phoneme in phonemes:
        letters = base_symbols(phoneme.symbol)
        if letters:
            edges = np.linspace(phoneme.start, phoneme.end, len(letters) + 1)
            for letter, start, end in zip(letters, edges, edges[1:], strict=False):
                last = (letter, table[letter])
                end_of_last = end
                yield (*last, start, end)
        elif last and phoneme.end - phoneme.start < _PAUSE and phoneme.start - end_of_last < 1e-3:
            yield (*last, phoneme.start, phoneme.end)
            end_of_last = phoneme.end


def _effort(prosody: Prosody, count: int) -> np.ndarray:
    """How much of a shape's opening is used [count], from the loudness over about a syllable."""
    loud = gaussian_filter1d(prosody.loudness.astype(np.float64), 0.06 * PROSODY_RATE)
    at = (np.arange(count) + 0.5) / RATE
    measured = (np.arange(len(loud)) + 0.5) / PROSODY_RATE
    return 0.65 + 0.45 * np.sqrt(np.clip(np.interp(at, measured, loud), 0, 1))
