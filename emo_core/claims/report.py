"""The tables of docs/emo_tiny.md, written from the measurements; the text around them is written by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..training.instrument import Accuracy


def fill(document: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`; ValueError if the marks are missing."""
    page = document.read_text()
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marked.search(page):
        raise ValueError(
            f"{document} has no place for {name}: put <!-- {name} --> and <!-- /{name} --> into it"
        )
    document.write_text(marked.sub(lambda match: match[1] + text + match[2], page))


def claims_table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown of what `builtin.as_json` gives."""
    lines = ["| key | measure | value | 95 % interval | bar | holds |", "|---|---|---|---|---|---|"]
    for key, row in results.items():
        if row["value"] is None:
            lines.append(
                f"| `{key}` | {row['claim']} | – | – | – | not measured: {row.get('reason', 'no number')} |"
            )
            continue
        interval = f"{_short(row['low'])} to {_short(row['high'])}"
        holds = "yes" if row["holds"] else "**no**"
        lines.append(
            f"| `{key}` | {row['claim']} | {_short(row['value'])} | {interval} | {row['bar']} | {holds} |"
        )
    return "\n".join(lines) + "\n" + _speeds(results.get("speed_spearman", {}))


def _speeds(row: dict[str, Any]) -> str:
    """The paper's Table 2 with our numbers."""
    if not row.get("table"):
        return ""
    lines = ["\n| speed asked | mean, deg/frame | variance in a clip | VMV |", "|---|---|---|---|"]
    for line in row["table"]:
        asked = "no speed layers" if line["asked"] is None else f"{line['asked']:g}"
        lines.append(f"| {asked} | {line['mean']:.3f} | {line['variance']:.4f} | {line['vmv']:.4f} |")
    return "\n".join(lines) + "\n"


def instrument_table(posed: list[Accuracy], clips: list[Accuracy]) -> str:
    """Markdown of `training.instrument`'s `accuracy_of_views` and `accuracy`."""
    lines = [
        "| quantity | posed people: r, all pictures | r within a person, median | mean absolute error "
        "| clips: r, all frames | r within a clip, median | mean absolute error |",
        "|---|---|---|---|---|---|---|",
    ]
    of_posed = {row.name: row for row in posed}
    for row in clips:
        cells = _accuracy(of_posed[row.name]) if row.name in of_posed else ("–",) * 3
        lines.append(f"| {row.name} | {' | '.join((*cells, *_accuracy(row)))} |")
    return "\n".join(lines) + "\n"


def _accuracy(row: Accuracy) -> tuple[str, str, str]:
    return _r(row.pooled), _r(row.within), f"{row.error:.3g}"


def _r(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
