"""How open espeak-ng's vowels sound: `python scripts/vowel_openings.py` measures `synthetic/vowels.json` anew.

For every accent and vowel the median first resonance in Hz at five points of it, of plain voices of the training, each
against its own mean. Needs praat-parselmouth (GPL-3+, a tool of this script alone) and takes some minutes.
"""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import parselmouth  # pyright: ignore[reportMissingImports]  (optional)

from emo_core.training.synthetic import visemes
from emo_core.training.synthetic.espeak import SAMPLE_RATE, Synthesiser, Voice
from emo_core.training.synthetic.speech import accents
from emo_core.training.synthetic.texts import random_sentence
from emo_core.training.synthetic.visemes import MEASURED_AT, VOWELS, bare, base_symbols

OUT = Path(visemes.__file__).with_name("vowels.json")
CEILINGS = {"m1": 5000, "m2": 5000, "m4": 5000, "m7": 5000, "max": 5000, "f1": 5500, "f2": 5500}
"""Voices whose resonances are a person's, and where Praat looks for five of them."""
SENTENCES = 210
LEAST = 8
"""Vowels heard less often keep the opening of the table."""
BRIEF = 0.03
"""Seconds; what is shorter never reaches its vowel."""


def main() -> None:
    """Measure and write."""
    found: dict[str, dict[str, list[tuple[str, np.ndarray]]]] = defaultdict(lambda: defaultdict(list))
    synthesiser, rng = Synthesiser(), np.random.default_rng(5)
    for accent, language in accents().items():
        for index in range(SENTENCES):
            variant = list(CEILINGS)[index % len(CEILINGS)]
            voice = Voice(f"{accent}+{variant}", rate=140, pitch=40, range=30)
            for symbol, resonance in heard(synthesiser, random_sentence(rng, language, "train"), voice):
                found[accent][symbol].append((variant, resonance))
    every = [vowel for of_accent in found.values() for vowels in of_accent.values() for vowel in vowels]
    mean = {name: np.nanmean([r for variant, r in every if variant == name]) for name in CEILINGS}
    middle = np.mean(list(mean.values()))
    made = {
        accent: {
            symbol: typical(symbol, np.array([r - mean[variant] + middle for variant, r in vowels]))
            for symbol, vowels in sorted(of_accent.items())
            if len(vowels) >= LEAST
        }
        for accent, of_accent in sorted(found.items())
    }
    lines = (f' "{accent}": {json.dumps(vowels, ensure_ascii=False)}' for accent, vowels in made.items())
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def heard(synthesiser: Synthesiser, text: str, voice: Voice) -> list[tuple[str, np.ndarray]]:
    """The vowels of a text and the logarithm of their first resonance at `MEASURED_AT`."""
    said = synthesiser.speak(text, voice)
    ceiling = CEILINGS[voice.name.partition("+")[2]]
    formants = parselmouth.Sound(said.waveform.astype(float), SAMPLE_RATE).to_formant_burg(0.005, 5, ceiling, 0.025)
    return [
        (
            bare(p.symbol),
            np.log([formants.get_value_at_time(1, p.start + x * (p.end - p.start)) for x in MEASURED_AT]),
        )
        for p in said.phonemes
        if base_symbols(p.symbol)[:1] in VOWELS and p.end - p.start > BRIEF
    ]


def typical(symbol: str, resonances: np.ndarray) -> list[int]:
    """Hz at `MEASURED_AT` of one vowel's logarithms [N, 5]; a vowel of one letter has one, that of its middle."""
    hertz = np.exp(np.nanmedian(resonances, axis=0))
    if len(base_symbols(symbol)) == 1:
        hertz[:] = np.median(hertz[1:4])
    return [round(float(value)) for value in hertz]


if __name__ == "__main__":
    main()
