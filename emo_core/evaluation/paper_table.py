"""Measured rows in the layout of the paper's tables 1 and 2, beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping

from .judge import Score

COLUMNS = ("FID", "SyncNet", "F-SIM", "FVD", "E-FID")
"""Of table 1."""
ARROWS = {"FID": "↓", "SyncNet": "↑", "F-SIM": "(near GT)", "FVD": "↓", "E-FID": "↓"}

PUBLISHED: dict[str, tuple[tuple[float | None, float | None], ...]] = {
    "Wav2Lip": ((9.38, 31.70), (5.79, 4.14), (80.34, 78.87), (407.93, 487.00), (0.693, 0.652)),
    "SadTalker": ((10.31, 31.37), (4.82, 2.90), (84.56, 81.86), (214.98, 418.19), (0.503, 0.539)),
    "DreamTalk": ((58.80, 88.21), (3.43, 1.29), (67.87, 56.38), (619.05, 584.63), (2.257, 3.548)),
    "MakeItTalk": ((21.73, 39.86), (2.85, 1.64), (76.91, 60.12), (350.96, 340.55), (1.072, 0.997)),
    "GT": ((None, None), (7.3, 2.69), (77.44, 72.64), (None, None), (None, None)),
    "EMO without the 250 h set": (
        (10.80, None),
        (5.02, None),
        (79.55, None),
        (102.78, None),
        (0.215, None),
    ),
    "EMO": ((8.76, 17.33), (3.89, 2.74), (78.96, 77.16), (67.66, 192.77), (0.116, 0.187)),
}
"""Table 1 of arXiv:2402.17485v3: method -> (HDTF, the authors' own internet set) for each of `COLUMNS`."""

VELOCITY_ROWS = ("Mean velocity", "Velocity variance", "VMV")
PUBLISHED_VELOCITY = {
    "no speed layers": (1.365, 1.002, 0.134),
    "0.1": (0.878, 0.357, 0.046),
    "0.7": (1.001, 0.454, 0.054),
    "1.3": (1.162, 0.550, 0.057),
    "1.9": (1.246, 0.657, 0.058),
}
"""Table 2: EMO at the assigned speeds on HDTF, degrees per frame at 30 fps."""

Runs = Mapping[str, Mapping[str, Score]]
"""Scores by metric of each run, by its name; the truth is a run called GT."""


def paper_tables(runs: Runs) -> str:
    """Both tables as Markdown, then why cells are empty and what is measured besides."""
    return "\n\n".join(filter(None, (_table_1(runs), _table_2(runs), _besides(runs), _reasons(runs)))) + "\n"


def _table_1(runs: Runs) -> str:
    heads = [f"{name} {ARROWS[name]}" for name in COLUMNS]
    rows = [["method", *heads]]
    for method, cells in PUBLISHED.items():
        rows.append(
            [
                f"{method} (published)",
                *(
                    " / ".join(_number(value, name) for value in cell)
                    for name, cell in zip(COLUMNS, cells, strict=True)
                ),
            ]
        )
    for name, scores in runs.items():
        rows.append([f"**{name}**", *(_cell(scores[column], column) for column in COLUMNS)])
    return (
        "Published: HDTF / the authors' internet set (arXiv:2402.17485v3, table 1). Measured rows are of other videos "
        "and other crops:\ncompare them with each other. In brackets: 95 % bootstrap interval over videos.\n\n"
        + _markdown(rows)
    )


def _table_2(runs: Runs) -> str:
    names = [*(f"EMO {name} (published)" for name in PUBLISHED_VELOCITY), *(f"**{name}**" for name in runs)]
    rows = [["degrees per frame", *names]]
    for index, name in enumerate(VELOCITY_ROWS):
        published = (_number(values[index], name) for values in PUBLISHED_VELOCITY.values())
        rows.append([name, *published, *(_cell(scores[name], name) for scores in runs.values())])
    return "Head velocity (table 2; published columns are assigned speeds on HDTF).\n\n" + _markdown(rows)


def _besides(runs: Runs) -> str:
    names = [
        name for name in ("SyncNet distance", "SyncNet offset") if any(s[name].value for s in runs.values())
    ]
    if not names:
        return ""
    rows = [["not in the paper", *names]]
    rows += [[f"**{run}**", *(_cell(scores[name], name) for name in names)] for run, scores in runs.items()]
    return _markdown(rows)


def _reasons(runs: Runs) -> str:
    """Each reason once, with the metrics it concerns."""
    found: dict[str, list[str]] = {}
    for scores in runs.values():
        for name, score in scores.items():
            if score.reason and name not in found.setdefault(score.reason, []):
                found[score.reason].append(name)
    return "\n".join(f"- {', '.join(names)}: {reason}" for reason, names in found.items())


def _cell(score: Score, name: str) -> str:
    if score.value is None:
        return "unavailable" if score.reason else "–"
    if score.low is None or score.high is None:
        return _number(score.value, name)
    return f"{_number(score.value, name)} [{_number(score.low, name)}, {_number(score.high, name)}]"


def _number(value: float | None, name: str) -> str:
    """With as many digits as the paper prints for the metric."""
    if value is None:
        return "–"
    return f"{value:.3f}" if name in ("E-FID", *VELOCITY_ROWS) else f"{value:.2f}"


def _markdown(rows: list[list[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])
