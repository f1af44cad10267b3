"""Speech, singing and the mouth that follows them; espeak-ng really runs."""

from itertools import pairwise

import numpy as np
import pytest

from emo_core.training.synthetic.acoustics import record
from emo_core.training.synthetic.corpus import SPEECH_TRACKS, speech_corpus
from emo_core.training.synthetic.espeak import (
    SAMPLE_RATE,
    EspeakError,
    Phoneme,
    Synthesiser,
    Utterance,
    Voice,
)
from emo_core.training.synthetic.prosody import measure
from emo_core.training.synthetic.speech import accents, cut, join, silence, speak_clip, variants
from emo_core.training.synthetic.texts import LANGUAGES, SPLITS, random_sentence, split_of
from emo_core.training.synthetic.visemes import (
    MEASURED_AT,
    RATE,
    base_symbols,
    first_resonances,
    mouth_tracks,
    viseme_table,
)


@pytest.fixture(scope="module")
def synthesiser() -> Synthesiser:
    try:
        return Synthesiser()
    except EspeakError as error:
        pytest.skip(str(error))


def test_no_sentence_of_validation_or_test_occurs_in_training() -> None:
    rng = np.random.default_rng(0)
    said = {
        split: {random_sentence(rng, language, split) for language in LANGUAGES for _ in range(400)}
        for split in SPLITS
    }
    plain = {split: {"".join(filter(str.isalnum, s.casefold())) for s in said[split]} for split in SPLITS}
    assert not plain["train"] & (plain["validation"] | plain["test"])
    assert not plain["validation"] & plain["test"]


def test_punctuation_and_case_do_not_move_a_sentence_to_another_split() -> None:
    assert split_of("Hello, Bob!") == split_of("hello bob")


def test_an_unknown_split_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'dev'; use one of train, validation, test"):
        random_sentence(np.random.default_rng(0), "en", "dev")


def test_every_split_has_its_own_voices_and_training_has_twenty() -> None:
    train, validation, test = (set(variants(split)) for split in SPLITS)
    assert len(train) >= 20
    assert not train & (validation | test)
    assert not validation & test


def test_every_voice_of_every_split_speaks(synthesiser: Synthesiser) -> None:
    for split in SPLITS:
        for variant in variants(split):
            assert np.abs(synthesiser.speak("Hello", Voice(f"en-us+{variant}")).waveform).max() > 0.02, (
                variant
            )


def test_an_unknown_voice_is_refused_by_name(synthesiser: Synthesiser) -> None:
    with pytest.raises(EspeakError, match="no voice 'klingon9'"):
        synthesiser.speak("Hello", Voice("klingon9"))


def test_every_sound_of_every_language_has_a_mouth_shape(synthesiser: Synthesiser) -> None:
    rng = np.random.default_rng(1)
    voiceless = set()
    for language in LANGUAGES:
        voice = Voice({"en": "en-us"}.get(language, language))
        text = " ".join(random_sentence(rng, language, "train") for _ in range(25))
        for phoneme in synthesiser.speak(text, voice).phonemes:
            if phoneme.symbol.strip("ʲː:ˈˌ") and not phoneme.symbol.startswith("("):
                voiceless |= {phoneme.symbol} - {phoneme.symbol if base_symbols(phoneme.symbol) else ""}
    assert not voiceless


def test_two_synthesisers_say_the_same_whatever_was_said_before(synthesiser: Synthesiser) -> None:
    synthesiser.speak("Something else altogether", Voice("fr+f2"))
    first = speak_clip(synthesiser, np.random.default_rng(3), 3.0, "train")
    second = speak_clip(Synthesiser(), np.random.default_rng(3), 3.0, "train")
    np.testing.assert_array_equal(first.waveform, second.waveform)
    assert first.phonemes == second.phonemes


def test_phoneme_times_match_the_sound(synthesiser: Synthesiser) -> None:
    spoken = synthesiser.speak("Sea.", Voice("en-us"))
    (s,) = (p for p in spoken.phonemes if p.symbol == "s")
    (vowel,) = (p for p in spoken.phonemes if p.symbol.startswith("i"))
    prosody = measure(spoken.waveform)
    assert (
        prosody.brightness[int((s.start + s.end) * 50)]
        > 2 * prosody.brightness[int((vowel.start + vowel.end) * 50)]
    )


def test_a_clip_is_exactly_as_long_as_asked(synthesiser: Synthesiser) -> None:
    for seconds in (0.5, 3.2):
        clip = speak_clip(synthesiser, np.random.default_rng(5), seconds, "test")
        assert len(clip.waveform) == round(seconds * SAMPLE_RATE)
        assert all(0 <= p.start <= p.end <= seconds for p in clip.phonemes)


def test_joining_moves_the_phonemes_and_cutting_drops_those_outside() -> None:
    tone = Utterance(np.ones(SAMPLE_RATE, np.float32), (Phoneme("a", 0.0, 0.5), Phoneme("m", 0.5, 1.0)))
    joined = join([silence(0.25), tone])
    assert joined.phonemes[0] == Phoneme("a", 0.25, 0.75)
    middle = (pytest.approx(0.1), pytest.approx(0.9))
    assert cut(joined, 0.4, start=0.3).phonemes == (Phoneme("a", 0.0, pytest.approx(0.4), part=middle),)


def test_pitch_of_a_buzz_is_measured_within_one_percent() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    for hertz in (80.0, 143.0, 310.0):
        buzz = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 12))
        f0 = measure((0.1 * buzz).astype(np.float32)).f0[10:-10]
        assert np.abs(f0 / hertz - 1).max() < 0.01


def test_silence_has_no_pitch_and_no_loudness() -> None:
    prosody = measure(np.zeros(SAMPLE_RATE, np.float32))
    assert not prosody.f0.any()
    assert not prosody.loudness.any()


def test_the_mouth_closes_for_m_and_in_silence_and_opens_for_a() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    said = Utterance(noise, (Phoneme("ɑː", 0.1, 0.4), Phoneme("m", 0.4, 0.5), Phoneme("iː", 0.5, 0.8)))
    mouth = mouth_tracks(said, measure(noise))
    at = {
        name: mouth[int(time * RATE)]
        for name, time in (("a", 0.22), ("m", 0.43), ("i", 0.63), ("rest", 0.97))
    }
    assert at["a"][0] > 0.7
    assert at["m"][0] < 0.02
    assert at["rest"][0] < 0.02
    assert at["i"][1] > 0.8 > at["a"][1]


def test_loudness_scales_how_far_the_mouth_opens() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE).astype(np.float32)
    noise[SAMPLE_RATE:] *= 0.1
    mouth = mouth_tracks(Utterance(noise, (Phoneme("a", 0.0, 2.0),)), measure(noise))[:, 0]
    assert mouth[100] > 1.2 * mouth[300] > 0


def test_a_vowel_opens_as_its_accent_sounds_whatever_it_is_written_like() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE // 2).astype(np.float32)

    def shape(symbol: str, accent: str) -> np.ndarray:
        return mouth_tracks(Utterance(noise, (Phoneme(symbol, 0.0, 0.5, accent),)), measure(noise))[50]

    def opening(symbol: str, accent: str) -> float:
        return float(shape(symbol, accent)[0])

    assert opening("ɜː", "de") > 1.3 * opening("ɜː", "en-us"), "German ends Mutter as others say but"
    assert opening("ɪ", "en-gb-scotland") > 1.5 * opening("ɪ", "en-029")
    assert shape("y", "pt-br")[1] > 0.5 > -0.3 > shape("y", "de")[1], "Brazil's espeak-ng writes y and says i"
    assert opening("a", "es") == pytest.approx(opening("a", ""), rel=0.05), "what all agree on is the table's"


def test_every_accent_has_its_vowels_measured() -> None:
    for accent in accents():
        known = first_resonances()[accent]
        assert len(known) >= 8
        assert all(len(hertz) == len(MEASURED_AT) and 200 < min(hertz) <= max(hertz) < 1000 for hertz in known.values())
        assert known["i"][0] < known.get("e", known.get("ɛ", known.get("eɪ")))[0] < 1000


def test_a_diphthong_glides_from_one_vowel_to_the_other_and_in_its_own_time() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    said = Utterance(noise, (Phoneme("aɪ", 0.0, 1.0, "en-us"),))
    mouth = mouth_tracks(said, measure(noise))[:, 0]
    assert mouth[60] > mouth[120] > mouth[140] > mouth[170] > 0
    held = (Phoneme("aɪ", 0.0, 0.8, "en-us", (0.0, 0.3)), Phoneme("aɪ", 0.8, 1.0, "en-us", (0.3, 1.0)))
    held_mouth = mouth_tracks(Utterance(noise, held), measure(noise))[:, 0]
    assert held_mouth[140] > 0.95 * held_mouth[60], "what is held sounds like a"


def test_affricates_diphthongs_and_marks_are_read() -> None:
    assert (base_symbols("tʃ"), base_symbols("aɪ"), base_symbols("ɔ̃ː"), base_symbols("(en)")) == (
        "ʃ",
        "aɪ",
        "ɔ",
        "",
    )
    assert all(0 <= o <= 1 and -1 <= w <= 1 and 0 <= r <= 1 for o, w, r in viseme_table().values())


def test_a_recording_keeps_length_and_never_clips() -> None:
    sound = 0.9 * np.sin(np.arange(SAMPLE_RATE) / 20).astype(np.float32)
    for seed in range(20):
        heard = record(sound, np.random.default_rng(seed))
        assert heard.shape == sound.shape
        assert np.abs(heard).max() <= 0.951


def test_the_corpus_gives_sound_and_fifty_rows_a_second(synthesiser: Synthesiser) -> None:
    pairs = list(speech_corpus(7, 3, "train", seconds=2.0, singing_share=0, synthesiser=synthesiser))
    for waveform, tracks in pairs:
        assert waveform.shape == (2 * SAMPLE_RATE,)
        assert tracks.shape == (100, len(SPEECH_TRACKS))
        assert np.isfinite(tracks).all()
    again = list(speech_corpus(7, 1, "train", seconds=2.0, singing_share=0, synthesiser=synthesiser))
    np.testing.assert_array_equal(again[0][0], pairs[0][0])


def test_a_song_follows_its_melody(synthesiser: Synthesiser) -> None:
    pytest.importorskip("pyworld", exc_type=ImportError)
    from emo_core.training.synthetic.singing import sing_clip

    song = sing_clip(synthesiser, np.random.default_rng(2), 5.0, "train")
    f0 = measure(song.utterance.waveform).f0
    asked = song.melody[1::2][: len(f0)]
    both = (f0 > 0) & (asked > 0)
    cents = 1200 * np.abs(np.log2(f0[both] / asked[both]))
    assert both.sum() > 100
    assert np.median(cents) < 40  # vibrato alone is up to 45
    assert len(np.unique(np.round(asked[both]))) >= 3
    pieces = [p for p in song.utterance.phonemes if p.part != (0.0, 1.0)]
    assert pieces[0].part[0] == 0
    for before, after in pairwise(pieces[:-3]):  # the last may be cut off where the clip ends
        whole = before.part[1] == pytest.approx(1)
        assert after.part[0] == pytest.approx(0 if whole else before.part[1])
        assert whole or (after.symbol == before.symbol and after.start == pytest.approx(before.end))
    held = [p for p in pieces if p.part == (pytest.approx(0.25), pytest.approx(0.65))]
    assert max(p.end - p.start for p in held) > 0.3
