"""The words of the nodes in other languages: `python scripts/words.py` says what is missing in `locales/`.

English is what the nodes say themselves. The command writes it to `locales/en`, for translators and so that a
changed sentence shows up, and `locales/pt` to `locales/pt-BR`, the name newer frontends have for it. Translate what it
lists in `locales/<language>/nodeDefs.json`, by hand. `tests/nodes/test_words.py` holds all of it.
"""

import importlib
import json
import sys
from typing import Any

from in_process import PACK, import_comfy, import_pack

LOCALES = PACK / "locales"
LANGUAGES = ("zh", "pt", "ja")
COPIES = {"pt-BR": "pt"}
FILES = ("nodeDefs.json", "main.json")
SPECIAL = "{}@|"  # the frontend's translator reads these as commands

Words = dict[str, Any]


def main() -> int:
    """Write what can be written, list what cannot; 1 if something is missing."""
    import_comfy(PACK / ".cache" / "comfyui")
    english = english_words(our_nodes(import_pack().__name__))
    before = flat(read("en"))
    write("en", english)
    for copy, original in COPIES.items():
        for name in FILES:
            (LOCALES / copy).mkdir(exist_ok=True)
            (LOCALES / copy / name).write_bytes((LOCALES / original / name).read_bytes())
    wanted = flat(english)
    changed = [key for key, text in wanted.items() if before.get(key, text) != text]
    print(*(f"changed: {key}: {wanted[key]}" for key in changed), sep="\n")
    lists = {language: complaints(wanted, flat(read(language))) for language in LANGUAGES}
    for language, lines in lists.items():
        print(f"locales/{language}/nodeDefs.json: {len(lines)} to do", *lines, sep="\n  ")
    return int(any(lists.values()))


def our_nodes(pack: str) -> list[Any]:
    """The node classes of the imported pack."""
    importlib.import_module(f"{pack}.nodes.host.folders").register_model_folder()  # schemas list its files
    return list(importlib.import_module(f"{pack}.nodes").NODES)


def english_words(nodes: list[Any]) -> Words:
    """What the schemas say, in the form the host serves: names and descriptions of nodes, all tooltips."""
    return {schema.node_id: _of_schema(schema) for schema in (node.GET_SCHEMA() for node in nodes)}


def _of_schema(schema: Any) -> Words:
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": {item.id: {"tooltip": item.tooltip} for item in schema.inputs},
        "outputs": {str(index): {"tooltip": item.tooltip} for index, item in enumerate(schema.outputs)},
    }


def flat(words: Words, prefix: str = "") -> dict[str, str]:
    """{"EMO_Inspect.inputs.speed.tooltip": "..."}."""
    found: dict[str, str] = {}
    for key, value in words.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def complaints(wanted: dict[str, str], translated: dict[str, str]) -> list[str]:
    """What is missing, superfluous, empty or not readable for the frontend, one line each."""
    missing = [f"no words for {key}: {text}" for key, text in wanted.items() if not translated.get(key)]
    old = [f"words for {key}, which no node has" for key in translated.keys() - wanted.keys()]
    special = [
        f"{key} holds one of {SPECIAL}"
        for key, text in translated.items()
        if any(sign in text for sign in SPECIAL)
    ]
    return missing + sorted(old) + special


def read(language: str, name: str = "nodeDefs.json") -> Words:
    """The file of a language; empty if there is none."""
    path = LOCALES / language / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(language: str, words: Words) -> None:
    """Replace the node words of a language."""
    path = LOCALES / language / "nodeDefs.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(words, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
