"""One HTML file that holds the whole benchmark: chart, bars, table, pictures, method."""

import os
from html import escape
from pathlib import Path
from string import Template

from keras_struct_tools import report_text as text
from keras_struct_tools.report_chart import scatter
from keras_struct_tools.report_gallery import SCORE_THRESHOLD, gallery, layer_names
from keras_struct_tools.report_stages import stage_bars
from keras_struct_tools.report_table import html_table

_SHOWN = {
    "detection": f"Boxes with a score of at least {SCORE_THRESHOLD}",
    "segmentation": "Classes of the pixels",
}
TEMPLATES = Path(__file__).with_name("templates")


def front_rows(document: dict) -> set[int]:
    """Return the indices of the rows on the Pareto front of time and accuracy."""
    headline = document["accuracy"]["headline"]
    measured = [
        (index, (text.end_to_end(row), row["accuracy"][headline]))
        for index, row in enumerate(document["rows"])
        if text.end_to_end(row) and row["accuracy"].get(headline) is not None
    ]
    front = text.pareto_front([point for _, point in measured])
    return {measured[number][0] for number in front}


def findings(document: dict) -> str:
    """Return the four figures a reader looks for first."""
    headline = document["accuracy"]["headline"]
    rows = [row for row in document["rows"] if row["target"] != "keras"]
    timed = [row for row in rows if text.end_to_end(row)]
    scored = [row for row in timed if row["accuracy"].get(headline) is not None]
    tiles = []
    if timed:
        row = min(timed, key=text.end_to_end)
        time = text.milliseconds(text.end_to_end(row))
        tiles.append(("fastest", time, "ms", text.row_name(row, document)))
    if scored:
        row = max(scored, key=lambda r: (round(r["accuracy"][headline], 3), -text.end_to_end(r)))
        score = text.fraction(row["accuracy"][headline])
        tiles.append(("most accurate", score, headline, text.row_name(row, document)))
    sized = [row for row in rows if row["bytes"]]
    if sized:
        row = min(sized, key=lambda r: r["bytes"])
        name = text.row_name({**row, "threads": None}, document)
        tiles.append(("smallest file", text.megabytes(row["bytes"]), "MB", name))
    slow = [r for r in document["rows"] if r["target"] == "keras" and text.end_to_end(r)]
    if timed and slow:
        row = min(timed, key=text.end_to_end)
        base = [r for r in slow if r["model"] == row["model"]] or slow
        gain = text.end_to_end(base[0]) / text.end_to_end(row)
        words = f"model.predict {text.milliseconds(text.end_to_end(base[0]))} ms"
        tiles.append(("against Keras", f"{gain:.0f}×" if gain >= 10 else f"{gain:.1f}×", "", words))
    return "".join(
        f'<div class="tile"><span class="what">{escape(what)}</span><span class="figure">'
        f"{escape(figure)}<small> {escape(unit)}</small></span>"
        f'<span class="who">{escape(who)}</span></div>'
        for what, figure, unit, who in tiles
    )


def engine_tables(document: dict) -> str:
    """Return which precision TensorRT computes each type of layer in, artefact by artefact."""
    parts, seen = [], set()
    for row in document["rows"]:
        name = text.row_name({**row, "threads": None}, document)
        if not row["layers"] or name in seen:
            continue
        seen.add(name)
        lines = "".join(
            f'<tr><th scope="row">{escape(kind)}</th><td>'
            + ", ".join(f"{escape(dtype)} × {count}" for dtype, count in dtypes.items())
            + "</td></tr>"
            for kind, dtypes in row["layers"].items()
        )
        parts.append(f"<details><summary>{escape(name)}</summary><table>{lines}</table></details>")
    if not parts:
        return ""
    return (
        '<section class="card"><h2>Inside the engines</h2><p class="lead">Precision of every layer '
        "type, read from the strongly typed network TensorRT builds the engine from; the number "
        f"counts layers.</p>{''.join(parts)}</section>"
    )


def method(document: dict) -> str:
    """Return how the figures were obtained."""
    how, data = document["method"], document["data"]
    notes = [
        f"Every figure is the median of {how['runs']} runs at batch size 1 on original images, "
        f"after {how['warmup']} warm-up runs in each process; p90 is the 90th percentile.",
        f"Each row runs in {how['rounds']} fresh processes that import the edge runtime only, and "
        "the rows take turns, so that a machine that slows down slows them all.",
        "preprocessing: from an image of any size to the network's input. network alone: an "
        "artefact of the same network exported without its decoder. decoding: the run of the "
        "artefact minus that of the network alone, paired run by run; it can come out slightly "
        "negative where the decoder costs less than the noise. end to end: image in, its answer in "
        "pixels of the image out, timed on its own.",
        f"Accuracy is that of the file itself, run by the edge runtime on {data['images']} images "
        f"({data['spec']}). Keras rows time model.predict on the same images.",
        "Memory is the peak resident memory of the whole process (Python, runtime and artefact) "
        "before any other artefact is opened in it.",
        "Runs return when the results are in host memory, so a GPU has finished its work.",
    ]
    return "".join(f"<li>{escape(note)}</li>" for note in notes)


def machine_chips(document: dict) -> str:
    """Return processor, system and versions."""
    machine = document["machine"]
    chips = [
        machine["cpu"],
        f"{machine['cores']} cores",
        f"GPU: {machine['gpu'] or 'none'}",
        machine["os"],
        f"Python {machine['python']}",
        *(f"{name} {version}" for name, version in machine["versions"].items()),
    ]
    return "".join(f"<li>{escape(str(chip))}</li>" for chip in chips)


def render(document: dict, items: list[dict]) -> str:
    """Return the report as one HTML document without any outside reference.

    Args:
        document: what `keras-struct benchmark --json` writes.
        items: pictures with layers, see `report_gallery.gallery`.
    """
    rows = document["rows"]
    shown = {key for item in items for key in item["layers"]}
    names = {"truth": "annotated", **layer_names(document)}
    layers = [(key, names.get(key, key)) for key in sorted(shown, key=list(names).index)]
    layers.sort(key=lambda layer: ("-keras-" in layer[0]) + 2 * (layer[0] == "truth"))
    data = document["data"]
    models = ", ".join(dict.fromkeys(row["model"] for row in rows))
    fields = {
        "title": escape(f"Benchmark of {models}"),
        "subtitle": escape(f"{data['images']} images of {data['spec']} · {document['created']}"),
        "findings": findings(document),
        "wide_chart": scatter(document, 860, 430),
        "narrow_chart": scatter(document, 380, 380),
        "bars": stage_bars(document),
        "table": html_table(document, front_rows(document)),
        "gallery": gallery(items, layers, data["class_names"]),
        "shown": _SHOWN.get(document["task"], "What was found"),
        "engines": engine_tables(document),
        "method": method(document),
        "machine": machine_chips(document),
        "command": escape(document["command"]),
        "style": (TEMPLATES / "report.css").read_text(encoding="utf-8"),
        "script": (TEMPLATES / "report.js").read_text(encoding="utf-8"),
    }
    return Template((TEMPLATES / "report.html").read_text(encoding="utf-8")).substitute(fields)


def write_report(document: dict, items: list[dict], path: str | Path) -> None:
    """Render the report into `path`, which appears only once it is complete."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.write_text(render(document, items), encoding="utf-8")
    os.replace(part, path)
