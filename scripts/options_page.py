"""Write docs/options.md from the table of options.

python scripts/options_page.py
"""

from pathlib import Path

from pyoco_eval.extraction.option_table import Row, rows_of
from pyoco_eval.extraction.options import LimitChoices, ReferenceChoices, ScoreChoices, VideoChoices
from pyoco_eval.metrics.signature import KEYS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "options.md"

HEAD = """\
# Options of scores

Every one exists twice under one name: as `--num-frames 8` of the score commands, `features`, `reference build` and `step-scores`, and as `num_frames=8` of the functions of Python. The last column is the key of the signature that it can change; without one it changes no score.

Written by `scripts/options_page.py` from `pyoco_eval/extraction/options.py`.
"""  # noqa: E501
COLUMNS = "| option | value | what it does | default | signature |\n|---|---|---|---|---|"
TITLES = {
    VideoChoices: "How videos become features",
    ScoreChoices: "What is said of a score",
    ReferenceChoices: "Where the reference differs",
    LimitChoices: "Limits",
}


def line(row: Row) -> str:
    """One option as a row of a table."""
    stated = row.option
    words = " ".join(filter(None, (stated.help, stated.more))).replace("|", "\\|")
    told, _, rest = words.partition("  [default: ")
    default, _, more = rest.partition("]")
    default = f"`{default}`" if default.isdecimal() else default
    if not rest and stated.default is not None and row.type not in (bool, list):
        default = f"`{stated.default}`"
    value = " ".join(f"`{word}`" for word in stated.one_of) or f"`{stated.metavar or _type(row)}`"
    option = f"`--{row.name.replace('_', '-')}`"
    signed = f"`{stated.signed}`" if stated.signed else ""
    return "| " + " | ".join((option, value, told + more, default, signed)) + " |"


def _type(row: Row) -> str:
    return {bool: "flag", int: "N", float: "NUMBER", str: "TEXT"}[row.type]


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for table, title in TITLES.items():
        parts.append(f"## {title}\n")
        parts.append(
            "| option | value | what it does | default | signature |\n|---|---|---|---|---|"
        )
        parts.append("\n".join(map(line, rows_of(table).values())) + "\n")
    used = {row.option.signed for table in TITLES for row in rows_of(table).values()}
    meanings = "\n".join(f"- `{key}`: {about}" for key, about in KEYS.items() if key in used)
    parts.append(f"## Those keys of the signature\n\n{meanings}")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE}")
