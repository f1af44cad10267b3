"""Lip-sync with real voices: LibriVox clips of Debian's pocketsphinx-testdata, their phonemes from forced alignment.

The audiobook is in the public domain; the Python package `pocketsphinx` brings the aligner and its US English model
(BSD). Both are needed for this measure only.
"""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np

from ..evaluation.metrics import pearson
from ..training.synthetic.behaviour import sample
from ..training.synthetic.espeak import Phoneme, Utterance
from ..training.synthetic.prosody import measure
from ..training.synthetic.visemes import RATE, mouth_tracks
from .clip_rows import PUPPETS, row_of
from .hearing import puppet
from .row import Bar, Missing, Row
from .takes import Studio

VOICES = Path("/usr/share/pocketsphinx/test/data/librivox")
ALIGNER_RATE = 100
"""Hz of the aligner's frames."""
_SOUNDS = """
AA ɑ  AE æ  AH ʌ  AO ɔ  AW aʊ  AY aɪ  EH ɛ  ER ɝ  EY eɪ  IH ɪ  IY i  OW oʊ  OY ɔɪ  UH ʊ  UW u
B b  CH tʃ  D d  DH ð  F f  G ɡ  HH h  JH dʒ  K k  L l  M m  N n  NG ŋ  P p  R ɹ  S s  SH ʃ  T t  TH θ
V v  W w  Y j  Z z  ZH ʒ
"""


def ipa_table() -> dict[str, str]:
    """The aligner's ARPAbet to the symbols of the viseme table; what is missing is silence or noise."""
    symbols = _SOUNDS.split()
    return dict(zip(symbols[::2], symbols[1::2], strict=True))


def real_voice(studio: Studio, people: int) -> Row | Missing:
    """r(mouth open, viseme track) of real speech, each recording spoken by `people` held-out portraits."""
    claim = "r(mouth open, viseme track of a forced alignment), LibriVox, median"
    if not people:
        return Missing(claim, "left out: ask for --voice-people")
    if not VOICES.is_dir():
        return Missing(claim, f"no recordings in {VOICES}: install Debian's pocketsphinx-testdata")
    try:
        import pocketsphinx  # noqa: F401  # pyright: ignore[reportMissingImports]  (optional)
    except ImportError:
        return Missing(claim, "no aligner: pip install pocketsphinx")
    values, wide, puppets, person = [], [], {kind: [] for kind in PUPPETS}, 0
    for text, path in recordings(VOICES):
        waveform, rate = read_wave(path)
        for _ in range(people):
            take = studio.take(person % len(studio.clips), waveform, rate, 0.5)
            count = len(take.readings.tracks)
            truth = viseme_track(align(text, waveform), waveform, count, studio.fps)
            values.append(pearson(take.readings.track("open"), truth[:, 0]))
            wide.append(pearson(take.readings.track("width"), truth[:, 1]))
            for kind in PUPPETS:
                puppets[kind].append(pearson(puppet(waveform, count, studio.fps, *kind), truth[:, 0]))
            person += 1
    best = max(float(np.nanmedian(row)) for row in puppets.values())
    return row_of(claim, values, Bar(0.6), puppet_r=best, width_r=float(np.nanmedian(wide)))


def recordings(folder: Path) -> list[tuple[str, Path]]:
    """Text and file of each recording."""
    lines = (folder / "transcription").read_text().splitlines()
    found = [re.fullmatch(r"<s> (.*) </s> \((.*)\)", line.strip()) for line in lines]
    return [(match[1], folder / f"{match[2]}.wav") for match in found if match]


def read_wave(path: Path) -> tuple[np.ndarray, int]:
    """Mono 16-bit sound as float32 [S] within -1..1, and its rate."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(
            np.float32
        ) / 32768, file.getframerate()


def align(text: str, waveform: np.ndarray) -> tuple[Phoneme, ...]:
    """When each sound of a known text is spoken, from the words' places and then the phones within them."""
    from pocketsphinx import Decoder  # pyright: ignore[reportMissingImports]  (optional)

    raw = (waveform * 32767).astype("<i2").tobytes()
    decoder = Decoder(lm=None, loglevel="FATAL")
    decoder.set_align_text(text)
    for step in range(2):
        if step:
            decoder.set_alignment()
        decoder.start_utt()
        decoder.process_raw(raw, full_utt=True)
        decoder.end_utt()
    phones, ipa = decoder.get_alignment().phones(), ipa_table()
    return tuple(
        Phoneme(ipa.get(p.name, ""), p.start / ALIGNER_RATE, (p.start + p.duration) / ALIGNER_RATE)
        for p in phones
    )


def viseme_track(phonemes: tuple[Phoneme, ...], waveform: np.ndarray, frames: int, fps: float) -> np.ndarray:
    """Open, width and round [F, 3] of the sounds by the synthetic world's rules."""
    mouth = mouth_tracks(Utterance(waveform, phonemes), measure(waveform))
    at = (np.arange(frames) + 0.5) / fps
    return np.stack([sample(column, RATE, at) for column in mouth.T], 1)
