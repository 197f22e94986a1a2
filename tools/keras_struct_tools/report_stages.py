"""Where the time goes: one bar for each row, split into stages."""

from html import escape

from keras_struct_tools import report_text as text


def stages_of(row: dict) -> list[tuple[str, float]]:
    """Return the stages that add up to the time of a row, (name, median ms), in their order."""
    inner = ("network", "decode") if text.median(row, "network") is not None else ("run",)
    names = ("preprocess", *inner, "postprocess")
    return [(n, max(0.0, text.median(row, n))) for n in names if text.median(row, n) is not None]


def stage_bars(document: dict) -> str:
    """Return bars by falling speed; the scale is that of the artefacts, Keras may leave it."""
    rows = [(i, row) for i, row in enumerate(document["rows"]) if text.end_to_end(row)]
    if not rows:
        return '<p class="empty">No row was timed on this machine.</p>'
    rows.sort(key=lambda item: text.end_to_end(item[1]))
    artefacts = [text.end_to_end(row) for _, row in rows if row["target"] != "keras"]
    scale = max(artefacts or [text.end_to_end(row) for _, row in rows])
    return "".join(_bar(index, row, document, scale) for index, row in rows)


def _bar(index: int, row: dict, document: dict, scale: float) -> str:
    total = sum(value for _, value in stages_of(row)) or 1.0
    share = min(1.0, total / scale)
    clipped = " clipped" if total > 1.05 * scale else ""
    parts = "".join(
        f'<span class="stage {name}" style="width:{100 * value / total:.2f}%"></span>'
        for name, value in stages_of(row)
    )
    tip = text.attribute(text.tooltip(row, document))
    time = text.milliseconds(text.end_to_end(row))
    return (
        f'<div class="bar-row" data-row="{index}" data-tip="{tip}" tabindex="0">'
        f'<span class="bar-name">{escape(text.row_name(row, document))}</span>'
        f'<span class="bar-track"><span class="bar{clipped}" style="width:{100 * share:.2f}%">'
        f'{parts}</span></span><span class="bar-time">{time} ms</span></div>'
    )
