"""espeak-ng as a training voice: text to waveform with the time of every phoneme.

espeak-ng (GPL-3+) is used through its shared library to make training sound; it is not part of this pack.
"""

from __future__ import annotations

import _ctypes
import ctypes
import math
import shutil
import tempfile
import weakref
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from scipy.signal import firwin, resample_poly

SAMPLE_RATE = 16000
"""Hz of every waveform of the synthetic world."""

_LIBRARY = "libespeak-ng.so.1"
_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: the callback is called inside espeak_Synth
_PHONEME_EVENTS_IPA = 3  # espeakINITIALIZE_PHONEME_EVENTS | espeakINITIALIZE_PHONEME_IPA
_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4  # espeak_PARAMETER
_QUIET = 60  # percent: at 100 some variants clip inside espeak-ng
_EVENT_END, _EVENT_PHONEME = 0, 7


class EspeakError(RuntimeError):
    """espeak-ng is missing or refuses a voice or a text."""


@dataclass(frozen=True)
class Voice:
    """How espeak-ng speaks."""

    name: str
    """espeak-ng's name, language and variant: "en-us+f3"."""
    rate: int = 165
    """Words per minute, 80 to 450."""
    pitch: int = 50
    """Base pitch, 0 to 100."""
    range: int = 50
    """Pitch range, 0 monotone to 100."""


@dataclass(frozen=True)
class Phoneme:
    """One sound of an utterance."""

    symbol: str
    """IPA; empty for a pause."""
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    accent: str = ""
    """espeak-ng's name of the language it is spoken in, "en-us"; empty if unknown."""
    part: tuple[float, float] = (0.0, 1.0)
    """Where in the sound, as it was spoken, this begins and ends: less than all of it where it was cut or held."""

    def within(self, start: float, end: float) -> Phoneme:
        """What is left between two times in seconds."""
        first, last = max(self.start, start), min(self.end, end)
        spoken = np.interp((first, last), (self.start, self.end), self.part)
        return replace(self, start=first, end=last, part=(float(spoken[0]), float(spoken[1])))


@dataclass(frozen=True)
class Utterance:
    """A waveform with its phonemes."""

    waveform: np.ndarray
    """float32 [S] at `SAMPLE_RATE`, within -1..1."""
    phonemes: tuple[Phoneme, ...]
    """In order of time; what they leave out is silence."""

    @property
    def seconds(self) -> float:
        """Length of the waveform."""
        return len(self.waveform) / SAMPLE_RATE


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Synthesiser:
    """espeak-ng, started. Instances are independent; use one in the thread and process that made it."""

    def __init__(self) -> None:
        """Start the library. Raises EspeakError if it is not installed."""
        self._chunks: list[np.ndarray] = []
        self._events: list[tuple[int, str]] = []
        # Kept: the library holds only the address.
        self._callback = _Callback(partial(_receive, self._chunks, self._events))
        # The library keeps its state in its own memory; a copy of the file gives each instance its own.
        self._folder = tempfile.TemporaryDirectory(prefix="espeak-")
        self._path = shutil.copy(_library_file(), self._folder.name)
        self._unload: weakref.finalize | None = None
        self.restart()

    def restart(self) -> None:
        """Forget everything spoken, so that the next words sound as in a new process (some ms).

        espeak-ng carries the phase of its pitch flutter from one utterance to the next and resets it
        nowhere; loading the library anew does.
        """
        if self._unload is not None:
            self._unload()
        self._library = ctypes.CDLL(self._path)
        self._unload = weakref.finalize(self, _close, self._library)
        self._unload.atexit = False
        self._voice = ""
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS_IPA)
        if self._rate <= 0:
            raise EspeakError(f"espeak_Initialize returned {self._rate}; install espeak-ng-data")

    def speak(self, text: str, voice: Voice) -> Utterance:
        """Synthesise `text`. Raises EspeakError for an unknown voice or when nothing was spoken."""
        library = self._library
        if voice.name != self._voice and library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise EspeakError(f"espeak-ng has no voice {voice.name!r}; list them with: espeak-ng --voices")
        self._voice = voice.name  # espeak-ng leaks memory per voice set: only when it changes
        for parameter, value in (
            (_RATE, voice.rate),
            (_VOLUME, _QUIET),
            (_PITCH, voice.pitch),
            (_RANGE, voice.range),
        ):
            library.espeak_SetParameter(parameter, int(value), 0)
        self._chunks.clear()
        self._events.clear()
        ctypes.CDLL(None).srand(1)  # breath noise comes from the C library's random numbers
        library.espeak_SetSynthCallback(self._callback)
        data = text.encode()
        code = library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        if code != 0 or not self._chunks:
            raise EspeakError(f"espeak-ng returned {code} and no sound for {text!r}")
        return self._utterance()

    def _utterance(self) -> Utterance:
        raw = np.concatenate(self._chunks)
        waveform = _resample(raw.astype(np.float32) / 32768, self._rate)
        starts = [sample / self._rate for sample, _ in self._events] + [len(raw) / self._rate]
        phonemes = (
            Phoneme(symbol, start, end, self._voice.partition("+")[0])
            for (_, symbol), start, end in zip(self._events, starts, starts[1:], strict=False)
            if end > start
        )
        return Utterance(np.clip(waveform, -1, 1).astype(np.float32), tuple(phonemes))


def _library_file() -> str:
    """Where the system keeps the library. Raises EspeakError if it has none."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise EspeakError(f"{_LIBRARY} was not found; install it: apt install espeak-ng") from error
    with open("/proc/self/maps") as maps:
        # A copy would do as well, but its folder may vanish with the instance that made it.
        return next(line.split()[-1] for line in maps if _LIBRARY in line and "/espeak-" not in line)


def _close(library: ctypes.CDLL) -> None:
    library.espeak_Terminate()
    _ctypes.dlclose(library._handle)


def _receive(chunks: list[np.ndarray], events: list[tuple[int, str]], samples, count: int, event) -> int:
    """Collect what espeak-ng hands to its callback: `count` samples and an array of events."""
    if samples and count > 0:
        chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
    index = 0
    while event[index].type != _EVENT_END:
        if event[index].type == _EVENT_PHONEME:
            events.append((event[index].sample, event[index].id.string.decode("utf-8", "ignore")))
        index += 1
    return 0


def _resample(sound: np.ndarray, rate: int) -> np.ndarray:
    """Sound [S] to `SAMPLE_RATE` with a polyphase low-pass, flat to 7 kHz."""
    divisor = math.gcd(rate, SAMPLE_RATE)
    return resample_poly(sound, SAMPLE_RATE // divisor, rate // divisor, window=_low_pass(rate // divisor))


@cache
def _low_pass(factor: int) -> np.ndarray:
    kaiser = ("kaiser", 6.0)  # documented, but scipy's annotation knows names only
    taps = firwin(40 * factor + 1, 0.94 / factor, window=kaiser)  # pyright: ignore[reportArgumentType]
    return np.asarray(taps, np.float32)
