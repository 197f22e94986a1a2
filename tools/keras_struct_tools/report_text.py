"""How figures read: the same words in the terminal, the table, the chart and the tooltips."""

from html import escape

TARGET_NAMES = {"litert": "LiteRT", "onnx": "ONNX", "tensorrt": "TensorRT", "keras": "Keras"}
STAGE_NAMES = {
    "preprocess": "preprocessing",
    "network": "network alone",
    "decode": "decoding",
    "run": "network and decoding",
    "postprocess": "mapping back",
}
MISSING = "–"


def milliseconds(value: float | None) -> str:
    """Write a time in ms with three significant digits, `–` where there is none."""
    if value is None:
        return MISSING
    if abs(value) < 0.005:
        return "0.00"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def megabytes(count: float | None) -> str:
    """Write a number of bytes in MB (10^6)."""
    return MISSING if count is None else f"{count / 1e6:#.3g}"


def fraction(value: float | None) -> str:
    """Write an accuracy with three decimals."""
    return MISSING if value is None else f"{value:.3f}"


def whole(value: float | None) -> str:
    """Write a number without decimals."""
    return MISSING if value is None else f"{value:.0f}"


def median(row: dict, stage: str) -> float | None:
    """Return the median of a stage in ms, None where it was not measured."""
    return row["latency"].get(stage, {}).get("median")


def end_to_end(row: dict) -> float | None:
    """Return the median time from image to result in ms."""
    return median(row, "end_to_end")


def threads(row: dict) -> str:
    """Write the number of threads; engines run on the GPU and have none."""
    return MISSING if row["threads"] is None else str(row["threads"])


def row_name(row: dict, document: dict) -> str:
    """Name a row; its model comes first where the benchmark has several."""
    name = f"{TARGET_NAMES.get(row['target'], row['target'])} {row['precision']}"
    if len({other["model"] for other in document["rows"]}) > 1:
        name = f"{row['model']} · {name}"
    counts = {other["threads"] for other in document["rows"] if other["threads"] is not None}
    if row["threads"] is not None and len(counts) > 1:
        name += f" · {row['threads']} thread{'s' if row['threads'] > 1 else ''}"
    return name


def tooltip(row: dict, document: dict) -> str:
    """Describe a row in a few lines."""
    lines = [row_name(row, document)]
    if row["status"] != "ok":
        lines.append(row["reason"])
    for name, value in row["accuracy"].items():
        lines.append(f"{name} {fraction(value)}")
    for stage, words in {"end_to_end": "end to end", **STAGE_NAMES}.items():
        numbers = row["latency"].get(stage)
        if numbers:
            spread = f"{milliseconds(numbers['median'])} ms (p90 {milliseconds(numbers['p90'])})"
            lines.append(f"{words} {spread}")
    if row["bytes"]:
        lines.append(f"file {megabytes(row['bytes'])} MB")
    if row["peak_memory_mb"]:
        lines.append(f"peak memory {whole(row['peak_memory_mb'])} MiB")
    return "\n".join(lines)


def attribute(text: str) -> str:
    """Escape text for a quoted attribute, line ends included."""
    return escape(text, quote=True).replace("\n", "&#10;")


def pareto_front(points: list[tuple[float, float]]) -> list[int]:
    """Return the indices of the points that no other beats at both.

    Accuracies count to the third decimal: less is noise, not a reason to be slower.

    Args:
        points: (time, accuracy) pairs; less time and more accuracy are better.

    Returns:
        Indices by rising time; of equal points the first stays.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -round(points[i][1], 3), i))
    front, best = [], float("-inf")
    for index in order:
        if round(points[index][1], 3) > best:
            front.append(index)
            best = round(points[index][1], 3)
    return front
