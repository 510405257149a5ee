"""The report as text to paste: Markdown, and LaTeX tables with booktabs."""

from collections.abc import Iterable, Sequence

from pyoco_eval.report.differences import DifferenceTable, all_warnings, difference_tables
from pyoco_eval.report.markup import latex, latex_comment, markdown, visible
from pyoco_eval.report.numbers import arrow, duration
from pyoco_eval.report.score_table import Cell, TableRow, score_table
from pyoco_eval.report.sheet import Sheet

NOT_COMPARABLE = "Not comparable with published numbers."
INTERVAL_NOTE = (
    "Intervals are for the score that infinitely many videos would give, which distances of "
    "finitely many exceed."
)


def markdown_report(sheets: Sequence[Sheet]) -> str:
    """Every sheet: scores beside published ones, differences, what was left out, signatures."""
    return "\n".join(line for sheet in sheets for line in _markdown_sheet(sheet))


def latex_report(sheets: Sequence[Sheet]) -> str:
    """A `table` environment per sheet and one per compared metric; signatures as comments.

    Needs the packages booktabs, and inputenc (or an engine of UTF-8) for names beyond ASCII.
    """
    lines = ["% \\usepackage{booktabs}"]
    for sheet in sheets:
        lines += _latex_sheet(sheet)
    return "\n".join(lines) + "\n"


def _markdown_sheet(sheet: Sheet) -> list[str]:
    lines = [f"# {markdown(sheet.title)}", ""]
    lines += [markdown(" · ".join(filter(None, (sheet.kicker, sheet.cites, sheet.created)))), ""]
    if not sheet.comparable:
        lines += [f"**{NOT_COMPARABLE}** {' '.join(map(markdown, sheet.reasons))}", ""]
    elif sheet.reasons:
        lines += [" ".join(map(markdown, sheet.reasons)), ""]
    lines += _markdown_scores(sheet)
    differences = difference_tables(sheet)
    for table in differences:
        lines += _markdown_differences(table)
    warnings = list(dict.fromkeys([*sheet.all_warnings, *all_warnings(differences)]))
    if warnings:
        lines += ["## To know", "", *(f"- {markdown(warning)}" for warning in warnings), ""]
    if sheet.skipped:
        lines += [f"## Left out: {len(sheet.skipped)} videos", ""]
        lines += [f"- {markdown(f'{arm}: {v}: {reason}')}" for arm, v, reason in sheet.skipped]
        lines.append("")
    lines += ["## Signatures", ""]
    for arm in sheet.arms:
        for score in arm.scores:
            title = markdown(f"{arm.title}, {sheet.title_of(score.key)}")
            lines += [f"- {title}: {_code(score.signature)}"]
    lines.append("")
    if sheet.recipe:
        lines += ["## Recipe", ""]
        for section, entries in sheet.recipe.items():
            lines += [f"### {markdown(section)}", ""]
            lines += _pipes(["key", "value"], [[markdown(k), _code(v)] for k, v in entries.items()])
            lines.append("")
    if sheet.timings:
        total = [f"{markdown(what)} {duration(seconds)}" for what, seconds in sheet.timings]
        lines += [f"Time: {', '.join(total)}.", ""]
    return lines


def markdown_table(sheet: Sheet) -> str:
    """The scores beside the published rows, as a Markdown table."""
    return "\n".join(_markdown_scores(sheet)).strip() + "\n"


def latex_table(sheet: Sheet) -> str:
    """The scores beside the published rows, as a LaTeX `table` with booktabs."""
    return "\n".join(_latex_scores(sheet)) + "\n"


def _markdown_scores(sheet: Sheet) -> list[str]:
    table = score_table(sheet)
    heads = ["method", *(f"{c.title} {arrow(c.higher_is_better)}" for c in table.columns), "source"]
    body = []
    for row in table.rows:
        name = markdown(row.method)
        cells = [_markdown_cell(cell) for cell in row.cells]
        source = "this run" if row.is_own else row.source
        body.append([f"**{name}**" if row.is_own else name, *cells, markdown(_noted(source, row))])
    lines = _pipes([markdown(head) for head in heads], body, right=range(1, len(heads) - 1))
    if table.has_intervals:
        lines += ["", INTERVAL_NOTE]
    return [*lines, ""]


def _noted(source: str, row: TableRow) -> str:
    return f"{source}; {row.note}" if row.note else source


def _markdown_cell(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    text = f"{cell.value} ± {cell.spread}" if cell.spread else cell.value
    text = f"**{text}**" if cell.best else text
    return f"{text} {markdown(cell.interval)}" if cell.interval else text


def _markdown_differences(table: DifferenceTable) -> list[str]:
    lines = [f"## Differences: {markdown(table.title)}", ""]
    if table.refused:
        lines += ["The scores do not compare; these keys of their recipes differ:", ""]
        return [*lines, *(f"- {markdown(reason)}" for reason in table.refused), ""]
    body = [
        [markdown(row.name), row.score, row.difference or "–", markdown(row.interval) or "–",
         markdown(row.verdict) or "best"]
        for row in table.rows
    ]  # fmt: skip
    heads = ["set", "score", "less the best", "95 % interval", "verdict"]
    return [*lines, *_pipes(heads, body, right=range(1, 4)), ""]


def _pipes(heads: list[str], body: list[list[str]], right: Iterable[int] = ()) -> list[str]:
    rule = ["---:" if position in set(right) else "---" for position in range(len(heads))]
    return [f"| {' | '.join(row)} |" for row in (heads, rule, *body)]


def _code(text: str) -> str:
    """A code span, also inside a table, whatever `text` holds."""
    shown = visible(text).replace("|", "\\|")
    fence = "`"
    while fence in shown:
        fence += "`"
    return f"{fence} {shown} {fence}" if "`" in shown else f"{fence}{shown}{fence}"


def _latex_sheet(sheet: Sheet) -> list[str]:
    lines = _latex_scores(sheet)
    for arm in sheet.arms:
        lines += [
            latex_comment(f"{arm.title}, {sheet.title_of(score.key)}: {score.signature}")
            for score in arm.scores
        ]
    for differences in difference_tables(sheet):
        if not differences.refused:
            lines += _latex_differences(differences)
    return [*lines, ""]


def _latex_scores(sheet: Sheet) -> list[str]:
    table = score_table(sheet)
    heads = [
        f"{latex(c.title)} ($\\{'up' if c.higher_is_better else 'down'}arrow$)"
        for c in table.columns
    ]
    caption = ". ".join(latex(part).rstrip(".") for part in (sheet.title, sheet.cites) if part)
    if not sheet.comparable:
        caption += f". \\emph{{{NOT_COMPARABLE.rstrip('.')}}}"
    lines = [
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{caption}.}}",
        f"  \\begin{{tabular}}{{l{'r' * len(heads)}}}",
        "    \\toprule",
        f"    {' & '.join(['Method', *heads])} \\\\",
        "    \\midrule",
    ]
    for group in filter(None, (table.published, table.own)):
        if group[0].is_own and table.published:
            lines.append("    \\midrule")
        for row in group:
            cells = [_latex_cell(cell) for cell in row.cells]
            note = latex_comment(_noted("this run" if row.is_own else row.source, row))
            lines.append(f"    {' & '.join([latex(row.method), *cells])} \\\\ {note}")
    return [*lines, "    \\bottomrule", "  \\end{tabular}", "\\end{table}"]


def _latex_cell(cell: Cell | None) -> str:
    if cell is None:
        return "--"
    text = f"{cell.value} $\\pm$ {cell.spread}" if cell.spread else cell.value
    return f"\\textbf{{{text}}}" if cell.best else text


def _latex_differences(table: DifferenceTable) -> list[str]:
    lines = [
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{latex(table.title)}: differences to the best, with 95\\,\\% intervals.}}",
        "  \\begin{tabular}{lrrrl}",
        "    \\toprule",
        "    Set & Score & Difference & Interval & Verdict \\\\",
        "    \\midrule",
    ]
    for row in table.rows:
        cells = [row.name, row.score, row.difference, row.interval, row.verdict or "best"]
        lines.append(f"    {' & '.join(latex(cell) or '--' for cell in cells)} \\\\")
    return [*lines, "    \\bottomrule", "  \\end{tabular}", "\\end{table}"]
