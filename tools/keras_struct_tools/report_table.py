"""The table of a benchmark: for the terminal and for the report."""

from html import escape

from keras_struct_tools import report_text as text


def name_columns(document: dict) -> list[tuple[str, str, object, object]]:
    """Return the columns that say what a row is, as (title, unit, value of a row, its text)."""
    columns = [
        ("target", "", lambda row: row["target"], lambda v: text.TARGET_NAMES.get(v, v)),
        ("precision", "", lambda row: row["precision"], str),
        ("threads", "", lambda row: row["threads"], text.whole),
    ]
    if len({row["model"] for row in document["rows"]}) > 1:
        columns.insert(0, ("model", "", lambda row: row["model"], str))
    return columns


def figure_columns(document: dict) -> list[tuple[str, str, object, object]]:
    """Return the columns of figures, as (title, unit, value of a row, its text)."""
    columns = [
        ("pre", "ms", lambda row: text.median(row, "preprocess"), text.milliseconds),
        ("network", "ms", lambda row: text.median(row, "network"), text.milliseconds),
        ("decode", "ms", lambda row: text.median(row, "decode"), text.milliseconds),
        ("end to end", "ms", text.end_to_end, text.milliseconds),
        (
            "p90",
            "ms",
            lambda row: row["latency"].get("end_to_end", {}).get("p90"),
            text.milliseconds,
        ),
    ]
    for name in document["accuracy"]["names"]:
        columns.append((name, "", lambda row, n=name: row["accuracy"].get(n), text.fraction))
    columns.append(("file", "MB", lambda row: row["bytes"], text.megabytes))
    columns.append(("memory", "MiB", lambda row: row["peak_memory_mb"], text.whole))
    return columns


def terminal_table(document: dict) -> str:
    """Return the table as aligned text; reasons of incomplete rows follow below it."""
    titles, units, lines = [], [], []
    chosen = name_columns(document) + figure_columns(document)
    for title, unit, _, _ in chosen:
        titles.append(title)
        units.append(unit)
    cells = [[write(value(row)) for _, _, value, write in chosen] for row in document["rows"]]
    for row, line in zip(document["rows"], cells, strict=True):
        line[-1] += {"ok": "", "partial": " *", "failed": " !"}[row["status"]]
    widths = [max(map(len, column)) for column in zip(titles, units, *cells, strict=True)]
    for index, line in enumerate([titles, units, *cells]):
        words = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        lines.append("  ".join(words).rstrip())
        if index == 1:
            lines.append("─" * len("  ".join("x" * width for width in widths)))
    for row in document["rows"]:
        if row["reason"]:
            mark = "!" if row["status"] == "failed" else "*"
            lines.append(f"{mark} {text.row_name(row, document)}: {row['reason']}")
    return "\n".join(lines)


def _cell(title: str, unit: str, value, written: str) -> str:
    order = "" if value is None else escape(str(value), quote=True)
    words = escape(written)
    if unit and value is not None:
        words += f'<span class="unit"> {unit}</span>'
    return f'<td data-label="{escape(title)}" data-value="{order}"><span>{words}</span></td>'


def html_table(document: dict, front: set[int]) -> str:
    """Return the sortable table; rows whose index is in `front` are marked."""
    chosen = figure_columns(document)
    head = "".join(
        f'<th scope="col"><button type="button">{escape(title)}'
        f"{f' <small>{unit}</small>' if unit else ''}</button></th>"
        for title, unit, _, _ in chosen
    )
    body = []
    for index, row in enumerate(document["rows"]):
        cells = []
        for title, unit, value, write in chosen:
            cells.append(_cell(title, unit, value(row), write(value(row))))
        name = escape(text.row_name(row, document))
        mark = ' <span class="badge" title="on the Pareto front">front</span>'
        mark = mark if index in front else ""
        reason = f'<p class="reason">{escape(row["reason"])}</p>' if row["reason"] else ""
        head_cell = f'<th scope="row"><span class="key {escape(row["target"])}"></span>{name}'
        body.append(
            f'<tr class="{row["status"]}" data-row="{index}">{head_cell}{mark}{reason}</th>'
            f"{''.join(cells)}</tr>"
        )
    return (
        f'<table id="rows"><thead><tr><th scope="col"><button type="button">row</button></th>'
        f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )
