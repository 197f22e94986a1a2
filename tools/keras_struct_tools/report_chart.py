"""The speed and accuracy chart as SVG, drawn by hand so that the report needs nothing else."""

import math
from dataclasses import dataclass
from html import escape

from keras_struct_tools import report_text as text

MARKS = {"float32": "circle", "float16": "square", "int8": "diamond"}


@dataclass(frozen=True)
class Frame:
    """The drawing area in pixels, and the ranges of time (ms, log) and accuracy it shows."""

    width: int
    height: int
    times: tuple[float, float]
    scores: tuple[float, float]
    left: int = 52
    top: int = 18
    right: int = 18
    bottom: int = 46

    def x(self, time: float) -> float:
        """Return the horizontal position of a time."""
        low, high = (math.log(value) for value in self.times)
        inner = self.width - self.left - self.right
        return self.left + inner * (math.log(time) - low) / (high - low)

    def y(self, score: float) -> float:
        """Return the vertical position of an accuracy."""
        low, high = self.scores
        inner = self.height - self.top - self.bottom
        return self.top + inner * (high - score) / (high - low)


def time_ticks(low: float, high: float) -> list[float]:
    """Return the 1-2-5 steps from `low` to `high`."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
    return [step for step in steps if low <= step * 1.0001 and step <= high * 1.0001]


def score_ticks(low: float, high: float) -> list[float]:
    """Return four to eight round steps from `low` to `high`."""
    step = next(s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0) if (high - low) / s <= 8)
    first = math.ceil(low / step - 1e-6)
    return [round(step * k, 6) for k in range(first, math.floor(high / step + 1e-6) + 1)]


def frame_of(points: list[tuple[float, float]], width: int, height: int) -> Frame:
    """Return a frame around (time, accuracy) points with room to breathe.

    Accuracies that differ by a hair are not stretched over the whole height: the range is at
    least 0.1, so that the eye reads a small difference as one.
    """
    times, scores = [p[0] for p in points], [p[1] for p in points]
    middle, reach = (min(scores) + max(scores)) / 2, max(max(scores) - min(scores), 0.06)
    low, high = max(0.0, middle - 0.85 * reach), min(1.0, middle + 0.85 * reach)
    return Frame(width, height, (min(times) / 1.5, max(times) * 1.5), (low, max(high, low + 0.1)))


def marker(kind: str, x: float, y: float, size: float, attributes: str) -> str:
    """Return a circle, square or diamond of equal visual weight."""
    if kind == "square":
        s = size * 0.88
        return (
            f'<rect x="{x - s:.1f}" y="{y - s:.1f}" width="{2 * s:.1f}" height="{2 * s:.1f}" '
            f'rx="1.5" {attributes}/>'
        )
    if kind == "diamond":
        s = size * 1.25
        corners = f"{x:.1f},{y - s:.1f} {x + s:.1f},{y:.1f} {x:.1f},{y + s:.1f} {x - s:.1f},{y:.1f}"
        return f'<polygon points="{corners}" {attributes}/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" {attributes}/>'


def _axes(frame: Frame, headline: str) -> str:
    parts = []
    bottom, end = frame.height - frame.bottom, frame.width - frame.right
    ticks = score_ticks(*frame.scores)
    decimals = 3 if len(ticks) > 1 and ticks[1] - ticks[0] < 0.0099 else 2
    for score in ticks:
        y = frame.y(score)
        parts.append(f'<line class="grid" x1="{frame.left}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{frame.left - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{score:.{decimals}f}</text>"
        )
    for time in time_ticks(*frame.times):
        x = frame.x(time)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top}" y2="{bottom}"/>'
        )
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{time:g}</text>'
        )
    parts.append(
        f'<text class="axis" x="{end}" y="{frame.height - 8}" text-anchor="end">'
        "end to end, ms (log) — faster to the left</text>"
    )
    parts.append(
        f'<text class="axis" x="{frame.left + 6}" y="{frame.top + 10}">{escape(headline)}</text>'
    )
    return "".join(parts)


def _front_line(frame: Frame, front: list[tuple[float, float]]) -> str:
    steps = [f"M{frame.x(front[0][0]):.1f},{frame.height - frame.bottom}"]
    for time, score in front:
        steps.append(f"V{frame.y(score):.1f}")
        following = [t for t, _ in front if t > time]
        end = frame.x(min(following)) if following else frame.width - frame.right
        steps.append(f"H{end:.1f}")
    return f'<path class="front" d="{"".join(steps)}"/>'


def place_label(words: str, x: float, y: float, frame: Frame, taken: list) -> tuple | None:
    """Return (x, y, anchor) of a free place for a label beside a point, None if all are taken.

    `taken` holds boxes (x1, y1, x2, y2) of points and labels; the box of the label is added.
    """
    width, height = 7.2 * len(words), 13
    candidates = [
        (x, y - 12, "middle"),
        (x + 12, y + 4, "start"),
        (x - 12, y + 4, "end"),
        (x, y + 22, "middle"),
        (x + 9, y - 10, "start"),
        (x - 9, y - 10, "end"),
        (x + 9, y + 19, "start"),
        (x - 9, y + 19, "end"),
    ]
    for at, baseline, anchor in candidates:
        left = at - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        box = (left, baseline - height + 3, left + width, baseline + 3)
        inside = box[0] > frame.left and box[2] < frame.width and box[1] > frame.top
        inside = inside and box[3] < frame.height - frame.bottom
        free = all(
            box[2] < other[0] or other[2] < box[0] or box[3] < other[1] or other[3] < box[1]
            for other in taken
        )
        if inside and free:
            taken.append(box)
            return at, baseline, anchor
    return None


def scatter(document: dict, width: int = 860, height: int = 430) -> str:
    """Return the chart of all measured rows with their Pareto front, or a sentence without any."""
    headline = document["accuracy"]["headline"]
    rows = [
        (index, row, (text.end_to_end(row), row["accuracy"][headline]))
        for index, row in enumerate(document["rows"])
        if text.end_to_end(row) and row["accuracy"].get(headline) is not None
    ]
    if not rows:
        return '<p class="empty">No row has both a time and an accuracy.</p>'
    points = [point for _, _, point in rows]
    frame = frame_of(points, width, height)
    front = text.pareto_front(points)
    parts = [_axes(frame, headline), _front_line(frame, [points[i] for i in front])]
    places = [(frame.x(time), frame.y(score)) for time, score in points]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in places]
    # the front is drawn last, on top of the others.
    for number in sorted(range(len(rows)), key=lambda number: number in front):
        index, row, _ = rows[number]
        chosen = " on-front" if number in front else ""
        name = text.attribute(text.tooltip(row, document))
        attributes = (
            f'class="point {escape(row["target"])}{chosen}" data-row="{index}" tabindex="0" '
            f'data-tip="{name}" aria-label="{name}" role="img"'
        )
        kind = MARKS.get(row["precision"], "circle")
        parts.append(marker(kind, *places[number], 6.5, attributes))
    for number in front:
        words = text.row_name(rows[number][1], document)
        place = place_label(words, *places[number], frame, taken)
        if place:
            x, y, anchor = place
            parts.append(
                f'<text class="name" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
                f"{escape(words)}</text>"
            )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="group" '
        f'aria-label="Speed and accuracy of every row">{"".join(parts)}</svg>'
    )
