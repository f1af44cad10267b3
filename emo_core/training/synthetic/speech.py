"""Spoken clips of a wanted length: voices of each split, random rate and pitch, pauses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .espeak import SAMPLE_RATE, Phoneme, Synthesiser, Utterance, Voice
from .texts import check_split, random_sentence

_HELD_OUT = {
    "validation": ("m6", "f5", "Andy", "linda", "zac", "miguel"),
    "test": ("f4", "m3", "Alex", "rob", "belinda", "steph"),
}
_TRAINING = (
    *("m1", "m2", "m4", "m5", "m7", "m8", "f1", "f2", "f3", "croak", "klatt", "klatt2", "klatt4", "Alicia"),
    *("Andrea", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Lee", "Marco", "Mario"),
    *(
        "Michael",
        "Mike",
        "Nguyen",
        "RicishayMax",
        "adam",
        "anika",
        "antonio",
        "aunty",
        "boris",
        "david",
        "ed",
    ),
    *("grandma", "gustave", "john", "kaukovalta", "max", "michel", "norbert", "pablo", "paul", "pedro"),
    *("sandro", "shelby", "travis", "victor"),
)
_ACCENTS = {
    "en": ("en-us", "en-gb-x-rp", "en-gb-scotland", "en-us", "en-029"),
    "de": ("de",),
    "fr": ("fr", "fr-be"),
    "es": ("es", "es-419"),
    "it": ("it",),
    "pt": ("pt", "pt-br"),
    "pl": ("pl",),
    "nl": ("nl",),
}
_LANGUAGE_SHARE = (0.44, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08)
_TRIM = 0.02  # s of silence kept around an utterance


def variants(split: str) -> tuple[str, ...]:
    """espeak-ng's voice variants that speak in a split; no variant is in two."""
    check_split(split)
    return _TRAINING if split == "train" else _HELD_OUT[split]


def accents() -> dict[str, str]:
    """espeak-ng's names of the accents and the language each speaks."""
    return {accent: language for language, names in _ACCENTS.items() for accent in names}


def random_voice(rng: np.random.Generator, split: str, language: str | None = None) -> tuple[Voice, str]:
    """A voice of the split and the language it speaks (a random one unless given)."""
    language = language or str(rng.choice(list(_ACCENTS), p=_LANGUAGE_SHARE))
    accent, variant = rng.choice(_ACCENTS[language]), rng.choice(variants(split))
    voice = Voice(
        name=f"{accent}+{variant}",
        rate=int(np.clip(rng.normal(165, 28), 95, 260)),
        pitch=int(np.clip(rng.normal(50, 18), 5, 95)),
        range=int(np.clip(rng.normal(65, 18), 25, 100)),
    )
    return voice, language


def speak_clip(synthesiser: Synthesiser, rng: np.random.Generator, seconds: float, split: str) -> Utterance:
    """A clip of exactly `seconds`: one voice, gaps of mostly 0.3 to 1.5 s, at times a long silence."""
    synthesiser.restart()
    voice, language = random_voice(rng, split)
    parts = [silence(rng.uniform(0.0, 0.6))]
    if rng.random() < 0.08:
        parts.append(silence(rng.uniform(0.2, 0.6) * seconds))
    while sum(part.seconds for part in parts) < seconds:
        parts += [
            trimmed(synthesiser.speak(random_sentence(rng, language, split), voice)),
            silence(rng.uniform(0.3, 1.5) if rng.random() < 0.75 else rng.uniform(0.1, 0.3)),
        ]
        if rng.random() < 0.05:
            parts.append(silence(rng.uniform(1.5, 3.5)))
    return cut(join(parts), seconds)


def silence(seconds: float) -> Utterance:
    """Digital silence."""
    return Utterance(np.zeros(round(seconds * SAMPLE_RATE), np.float32), ())


def join(parts: list[Utterance]) -> Utterance:
    """Utterances one after the other."""
    phonemes: list[Phoneme] = []
    start = 0.0
    for part in parts:
        phonemes += [replace(p, start=p.start + start, end=p.end + start) for p in part.phonemes]
        start += part.seconds
    return Utterance(np.concatenate([part.waveform for part in parts]), tuple(phonemes))


def cut(utterance: Utterance, seconds: float, start: float = 0.0) -> Utterance:
    """The part from `start`, padded with silence where the utterance is shorter than `seconds`.

    Cutting inside a sound fades out over 5 ms.
    """
    first, count = round(start * SAMPLE_RATE), round(seconds * SAMPLE_RATE)
    waveform = utterance.waveform[first : first + count].copy()
    if len(utterance.waveform) > first + count:
        fade = min(count, SAMPLE_RATE // 200)
        waveform[count - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    phonemes = tuple(
        replace(p, start=p.start - start, end=p.end - start).within(0.0, seconds)
        for p in utterance.phonemes
        if p.end > start and p.start < start + seconds
    )
    return Utterance(np.pad(waveform, (0, count - len(waveform))), phonemes)


def trimmed(utterance: Utterance) -> Utterance:
    """The utterance without the pauses espeak-ng puts around it."""
    sounding = [p for p in utterance.phonemes if p.symbol]
    if not sounding:
        return utterance
    start = max(sounding[0].start - _TRIM, 0.0)
    return cut(utterance, min(sounding[-1].end + _TRIM, utterance.seconds) - start, start)
