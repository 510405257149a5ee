"""The report as text to paste: Markdown, and LaTeX tables with booktabs."""

from collections.abc import Iterable, Sequence

from pyoco_eval.report.account import MADE_AS_HEADS, Account, account_of, made_as_cells
from pyoco_eval.report.charts.class_bars import ClassChart
from pyoco_eval.report.markup import latex, latex_comment, markdown, visible
from pyoco_eval.report.numbers import arrow, duration
from pyoco_eval.report.sheet.differences import DifferenceTable
from pyoco_eval.report.sheet.score_table import Cell, TableRow
from pyoco_eval.report.sheet.sheet import Sheet


def markdown_report(sheets: Sequence[Sheet]) -> str:
    """Every sheet: scores beside published ones, differences, what was left out, signatures."""
    return "\n".join(line for sheet in sheets for line in _markdown_sheet(account_of(sheet)))


def latex_report(sheets: Sequence[Sheet]) -> str:
    """A `table` environment per sheet and one per compared metric; signatures as comments.

    Needs the packages booktabs, and inputenc (or an engine of UTF-8) for names beyond ASCII.
    """
    lines = ["% \\usepackage{booktabs}"]
    for sheet in sheets:
        lines += _latex_sheet(account_of(sheet))
    return "\n".join(lines) + "\n"


def _markdown_sheet(account: Account) -> list[str]:
    sheet = account.sheet
    lines = [f"# {markdown(sheet.title)}", ""]
    lines += [markdown(" · ".join(filter(None, (sheet.kicker, sheet.cites, sheet.created)))), ""]
    if account.verdict:
        lines += [f"**{account.verdict}** {' '.join(map(markdown, account.reasons))}", ""]
    elif account.reasons:
        lines += [" ".join(map(markdown, account.reasons)), ""]
    lines += _markdown_scores(account)
    for picture in account.curve_pictures:
        lines += [markdown(picture.caption), ""]
    for table in account.differences:
        lines += _markdown_differences(table)
    for chart in account.classes:
        lines += _markdown_classes(chart)
    for name, rows in account.made_as:
        lines += [f"## What was scored: {markdown(name)}", ""]
        cells = [[markdown(cell) for cell in made_as_cells(row)] for row in rows]
        lines += [*_pipes(list(MADE_AS_HEADS), cells), ""]
    if account.warnings:
        lines += ["## To know", "", *(f"- {markdown(text)}" for text in account.warnings), ""]
    if sheet.skipped:
        lines += [f"## Left out: {len(sheet.skipped)} videos", ""]
        lines += [f"- {markdown(f'{arm}: {v}: {reason}')}" for arm, v, reason in sheet.skipped]
        lines.append("")
    lines += ["## Signatures", ""]
    for arm in sheet.arms:
        for score in arm.scores:
            title = markdown(f"{arm.title}, {sheet.title_of(score.key)}")
            for text in dict.fromkeys(score.signatures or [score.signature]):
                lines += [f"- {title}: {_code(text)}"]
    lines.append("")
    return [*lines, *_markdown_recipe(sheet)]


def _markdown_recipe(sheet: Sheet) -> list[str]:
    lines = []
    if sheet.open_points:
        lines += ["## What the source leaves open, and what was chosen", ""]
        for point in sheet.open_points:
            lines.append(f"- {markdown(f'{point.question} {point.choice} {point.why}'.strip())}")
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
    return "\n".join(_markdown_scores(account_of(sheet))).strip() + "\n"


def latex_table(sheet: Sheet) -> str:
    """The scores beside the published rows, as a LaTeX `table` with booktabs."""
    return "\n".join(_latex_scores(account_of(sheet))) + "\n"


def _markdown_scores(account: Account) -> list[str]:
    table = account.table
    titles = [f"{c.title} {arrow(c.higher_is_better)}" for c in table.columns]
    heads = ["method", *titles, "N", "source"]
    body = []
    for row in table.rows:
        name = markdown(row.method)
        cells = [_markdown_cell(cell) for cell in row.cells]
        source = markdown(_noted("this run" if row.is_own else row.source, row))
        own = f"**{name}**" if row.is_own else name
        body.append([own, *cells, markdown(row.rows) or "–", source])
    lines = _pipes([markdown(head) for head in heads], body, right=range(1, len(heads) - 1))
    return [*lines, "", markdown(" ".join(account.notes)), ""]


def _markdown_classes(chart: ClassChart) -> list[str]:
    body = [[markdown(bar.name), bar.value, str(bar.num_videos)] for bar in chart.bars]
    text = f"Lowest first; mean over videos {chart.mean}; {chart.about}."
    lines = [f"## By class: {markdown(chart.title)}", "", markdown(text), ""]
    return [*lines, *_pipes(["class", "score", "n"], body, right=(1, 2)), ""]


def _noted(source: str, row: TableRow) -> str:
    return f"{source}; {row.note}" if row.note else source


def _markdown_cell(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    text = f"{cell.value} ± {cell.spread}" if cell.spread else cell.value
    text = f"**{text}**" if cell.best else text
    if not cell.interval:
        return text
    return f"{text}{_before(cell.interval)}{markdown(cell.interval)}"


def _markdown_differences(table: DifferenceTable) -> list[str]:
    lines = [f"## Differences: {markdown(table.title)}", ""]
    if table.refused:
        lines += ["The scores do not compare; these keys of their recipes differ:", ""]
        return [*lines, *(f"- {markdown(reason)}" for reason in table.refused), ""]
    body = [
        [markdown(row.name), row.score, row.difference or "–", markdown(row.interval) or "–",
         markdown(row.verdict or row.short)]
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


def _latex_sheet(account: Account) -> list[str]:
    sheet = account.sheet
    lines = _latex_scores(account)
    lines.append(latex_comment(f"{sheet.kicker}, {sheet.created}"))
    for arm in sheet.arms:
        lines += [
            latex_comment(f"{arm.title}, {sheet.title_of(score.key)}: {text}")
            for score in arm.scores
            for text in dict.fromkeys(score.signatures or [score.signature])
        ]
    lines += [latex_comment(latex(f"warning: {text}")) for text in account.warnings]
    for arm_title, video, reason in sheet.skipped:
        lines.append(latex_comment(latex(f"left out: {arm_title}: {video}: {reason}")))
    for differences in account.differences:
        if differences.refused:
            reasons = "; ".join(differences.refused)
            lines.append(latex_comment(f"{differences.title}: do not compare: {reasons}"))
        else:
            lines += _latex_differences(differences)
    for chart in account.classes:
        caption = f"{chart.title} by class; mean over videos {chart.mean}; {chart.about}"
        body = [[bar.name, bar.value, str(bar.num_videos)] for bar in chart.bars]
        lines += _latex_table(caption, "lrr", ["Class", "Score", "$n$"], body)
    for name, rows in account.made_as:
        heads = [head.capitalize() for head in MADE_AS_HEADS]
        body = [list(made_as_cells(row)) for row in rows]
        lines += _latex_table(f"{name}: what was scored", "llll", heads, body)
    return [*lines, ""]


def _latex_table(caption: str, columns: str, heads: list[str], body: list[list[str]]) -> list[str]:
    """A table of text; `heads` are LaTeX already."""
    return [
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{latex(caption)}.}}",
        f"  \\begin{{tabular}}{{{columns}}}",
        "    \\toprule",
        f"    {' & '.join(heads)} \\\\",
        "    \\midrule",
        *(f"    {' & '.join(latex(cell) or '--' for cell in row)} \\\\" for row in body),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]


def _latex_scores(account: Account) -> list[str]:
    sheet, table = account.sheet, account.table
    heads = [
        f"{latex(c.title)} ($\\{'up' if c.higher_is_better else 'down'}arrow$)"
        for c in table.columns
    ]
    parts = [sheet.title, sheet.cites]
    caption = ". ".join(latex(part).rstrip(".") for part in parts if part)
    if account.verdict:
        caption += f". \\emph{{{account.verdict.rstrip('.')}}}"
        caption += "".join(f". {latex(text).rstrip('.')}" for text in account.reasons)
    said = [*account.notes, *(picture.caption for picture in account.curve_pictures)]
    caption += "".join(f". {latex(text).rstrip('.')}" for text in said)
    lines = [
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{caption}.}}",
        f"  \\begin{{tabular}}{{l{'r' * len(heads)}r}}",
        "    \\toprule",
        f"    {' & '.join(['Method', *heads, '$N$'])} \\\\",
        "    \\midrule",
    ]
    for group in filter(None, (table.published, table.own)):
        if group[0].is_own and table.published:
            lines.append("    \\midrule")
        for row in group:
            cells = [_latex_cell(cell) for cell in row.cells]
            note = latex_comment(_noted("this run" if row.is_own else row.source, row))
            count = latex(row.rows) or "--"
            lines.append(f"    {' & '.join([latex(row.method), *cells, count])} \\\\ {note}")
    return [*lines, "    \\bottomrule", "  \\end{tabular}", "\\end{table}"]


def _latex_cell(cell: Cell | None) -> str:
    if cell is None:
        return "--"
    text = f"{cell.value} $\\pm$ {cell.spread}" if cell.spread else cell.value
    text = f"\\textbf{{{text}}}" if cell.best else text
    return f"{text}{_before(cell.interval)}{latex(cell.interval)}" if cell.interval else text


def _before(interval: str) -> str:
    """What joins a score and its interval: words stand behind a comma."""
    return " " if interval.startswith("[") else ", "


def _latex_differences(table: DifferenceTable) -> list[str]:
    body = [
        [row.name, row.score, row.difference, row.interval, row.verdict or row.short]
        for row in table.rows
    ]
    heads = ["Set", "Score", "Difference", "Interval", "Verdict"]
    caption = f"{table.title}: differences to the best, with 95 % intervals"
    return _latex_table(caption, "lrrrl", heads, body)
