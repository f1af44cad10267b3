"""Sentences for the synthetic speaker, with a split that no sentence can cross.

A sentence belongs to the split that the hash of its letters says, so training can never say a sentence
of validation or test, whatever seeds are used. Words are shared between the splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from .words import Lexicon, lexicons

SPLITS = ("train", "validation", "test")
"""The names of the splits; 80, 10 and 10 percent of all sentences."""

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "pl", "nl")
"""Language codes with word lists."""

_CONSONANTS = (
    "p",
    "b",
    "m",
    "f",
    "v",
    "w",
    "t",
    "d",
    "s",
    "z",
    "n",
    "l",
    "r",
    "k",
    "g",
    "h",
    "sh",
    "ch",
    "st",
    "br",
)
_VOWELS = ("a", "e", "i", "o", "u", "ee", "oo", "ai", "ou", "ay")


def split_of(sentence: str) -> str:
    """The split a sentence belongs to; punctuation, case and spaces do not count."""
    letters = "".join(c for c in sentence.casefold() if c.isalnum())
    bucket = hashlib.sha256(letters.encode()).digest()[0] % 10
    return SPLITS[0] if bucket < 8 else SPLITS[bucket - 7]


def check_split(split: str) -> None:
    """Raise ValueError unless `split` is one of `SPLITS`."""
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; use one of {', '.join(SPLITS)}")


def random_sentence(rng: np.random.Generator, language: str, split: str) -> str:
    """A sentence of `language` that belongs to `split`.

    Raises ValueError for an unknown split or language.
    """
    check_split(split)
    if language not in LANGUAGES:
        raise ValueError(f"language is {language!r}; use one of {', '.join(LANGUAGES)}")
    while True:
        sentence = _draw(rng, _lexicon(language))
        if split_of(sentence) == split:
            return sentence


@cache
def _lexicon(language: str) -> Lexicon:
    return lexicons()[language]


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _clause(rng: np.random.Generator, words: Lexicon) -> str:
    clause = f"{_pick(rng, words.subjects)} {_pick(rng, words.verbs)} {_pick(rng, words.objects)}"
    return f"{clause} {_pick(rng, words.places)}" if rng.random() < 0.4 else clause


def _draw(rng: np.random.Generator, words: Lexicon) -> str:
    form = rng.choice(8, p=(0.2, 0.17, 0.17, 0.1, 0.08, 0.13, 0.07, 0.08))
    if form == 0:
        text = _clause(rng, words)
    elif form == 1:
        text = f"{_pick(rng, words.times)}, {_clause(rng, words)}"
    elif form == 2:
        text = f"{_clause(rng, words)}, {_pick(rng, words.joiners)} {_clause(rng, words)}"
    elif form == 3:
        text = f"{_pick(rng, words.openings)}, {_clause(rng, words)}"
    elif form == 4:
        text = ", ".join(_pick(rng, words.objects) for _ in range(rng.integers(2, 5)))
    elif form == 5:
        text = " ".join(_pick(rng, words.words()) for _ in range(rng.integers(4, 12)))
    elif form == 6:
        text = ", ".join(str(int(10 ** rng.uniform(0.3, 4.5))) for _ in range(rng.integers(2, 6)))
    else:
        text = " ".join(_nonsense(rng) for _ in range(rng.integers(3, 8)))
    return f"{text[0].upper()}{text[1:]}{_pick(rng, '..!?')}"


def _nonsense(rng: np.random.Generator) -> str:
    return "".join(_pick(rng, _CONSONANTS) + _pick(rng, _VOWELS) for _ in range(rng.integers(1, 5)))
