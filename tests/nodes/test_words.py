"""Every node explains itself: tooltips, a help page, and the same in other languages."""

import re
from types import ModuleType
from typing import Any

import pytest
from words import COPIES, FILES, LANGUAGES, LOCALES, PACK, complaints, english_words, flat, our_nodes, read

HELP = PACK / "nodes" / "web" / "docs"
RUN = "run `python scripts/words.py` and translate what it lists"


@pytest.fixture(scope="session")
def nodes(pack: ModuleType) -> list[Any]:
    return our_nodes(pack.__name__)


@pytest.fixture(scope="session")
def english(nodes: list[Any]) -> dict[str, str | None]:
    return flat(english_words(nodes))


def test_every_node_input_and_output_says_what_it_is(english: dict[str, str | None]) -> None:
    silent = [key for key, text in english.items() if not (text or "").strip()]
    assert not silent, f"no tooltip or description: {', '.join(silent)}"


def test_every_node_has_a_help_page_with_an_example_and_typical_mistakes(nodes: list[Any]) -> None:
    for schema in (node.GET_SCHEMA() for node in nodes):
        page = HELP / f"{schema.node_id}.md"
        assert page.is_file(), (
            f"write {page.relative_to(PACK)}: what the node does, its inputs, an example, mistakes"
        )
        text = page.read_text()
        assert text.startswith("# "), f"{page.name} begins without a title"
        for part in ("## Example", "## Typical mistakes"):
            assert part in text, f"{page.name} has no part {part!r}"


def test_help_pages_name_every_input_and_output(nodes: list[Any]) -> None:
    unnamed = []
    for schema in (node.GET_SCHEMA() for node in nodes):
        words = set(re.findall(r"\w+", (HELP / f"{schema.node_id}.md").read_text()))
        names = {item.id for item in schema.inputs} | {item.display_name for item in schema.outputs}
        unnamed += [f"{schema.node_id}.md: {name}" for name in sorted(names - words)]
    assert not unnamed, f"help pages that leave out an input or output: {', '.join(unnamed)}"


def test_every_help_page_has_the_picture_of_its_node(nodes: list[Any]) -> None:
    for schema in (node.GET_SCHEMA() for node in nodes):
        name = f"pictures/{schema.node_id}.png"
        assert f"({name})" in (HELP / f"{schema.node_id}.md").read_text(), "run scripts/node_pictures.py"
        assert (HELP / name).stat().st_size > 1000


def test_no_help_page_is_left_of_a_node_that_is_gone(nodes: list[Any]) -> None:
    assert {page.stem for page in HELP.glob("*.md")} == {node.GET_SCHEMA().node_id for node in nodes}


def test_the_english_file_says_what_the_nodes_say(english: dict[str, str | None]) -> None:
    written = flat(read("en"))
    other = sorted(key for key in english.keys() | written.keys() if english.get(key) != written.get(key))
    assert not other, f"locales/en is behind the nodes in {', '.join(other)}: {RUN}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_translated(language: str, english: dict[str, str]) -> None:
    found = complaints(english, flat(read(language)))
    assert not found, f"locales/{language}/nodeDefs.json: {'; '.join(found)}: {RUN}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_numbers(language: str, english: dict[str, str]) -> None:
    for key, text in flat(read(language)).items():
        lost = numbers(english[key]) - numbers(text)
        assert not lost, f"locales/{language}: {key} has lost the numbers {lost}"


def numbers(text: str) -> set[str]:
    """All numbers of a text, as they are written."""
    return set(re.findall(r"\d+(?:\.\d+)?", text))


def test_copies_under_other_names_are_up_to_date() -> None:
    for copy, original in COPIES.items():
        for name in FILES:
            assert read(copy, name) == read(original, name), (
                f"locales/{copy}/{name} differs from {original}: {RUN}"
            )


def test_the_categories_are_translated_too(nodes: list[Any]) -> None:
    """`conditioning` has its translation in ComfyUI."""
    used = {part for node in nodes for part in node.GET_SCHEMA().category.split("/")} - {"conditioning"}
    for language in LANGUAGES:
        missing = used - set(read(language, "main.json")["nodeCategories"])
        assert not missing, f"locales/{language}/main.json has no category {missing}"


def test_the_host_finds_the_languages() -> None:
    assert {path.name for path in LOCALES.iterdir()} == {"en", *LANGUAGES, *COPIES}
