"""The report: complete, self-contained, escaped; checked as text and in a browser."""

import base64
import io
import itertools
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from benchmark_document import (
    HOSTILE,
    make_document,
    make_items,
    make_label_maps,
    timed_row,
)
from PIL import Image

from keras_struct.ops import run_lengths
from keras_struct_tools import report_text
from keras_struct_tools.measure_rows import Row
from keras_struct_tools.report import front_rows, render, write_report
from keras_struct_tools.report_chart import Frame, frame_of, place_label, score_ticks, time_ticks
from keras_struct_tools.report_gallery import (
    colour_of,
    gallery,
    instance_map,
    jpeg_uri,
    label_map_uri,
)
from keras_struct_tools.report_stages import stage_bars
from keras_struct_tools.report_table import terminal_table

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Page(HTMLParser):
    """Collects the tags of a page with their attributes and the text of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts = [], []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"

    def handle_endtag(self, tag):
        self._in_script = False

    def handle_data(self, data):
        if self._in_script:
            self.scripts.append(data)

    def find(self, tag, part=None):
        found = [attributes for name, attributes in self.tags if name == tag]
        return [a for a in found if part is None or part in (a.get("class") or "").split()]

    def count(self, **attributes):
        pairs = attributes.items()
        return sum(all(a.get(k.replace("_", "-")) == v for k, v in pairs) for _, a in self.tags)


@pytest.fixture(scope="module")
def html():
    return render(make_document(), make_items())


@pytest.fixture(scope="module")
def label_maps():
    return render(make_document(task="segmentation"), make_label_maps())


def brute_force_front(points):
    rounded = [(time, round(score, 3)) for time, score in points]
    front = []
    for i, (time, score) in enumerate(rounded):
        beaten = any(
            (t <= time and s >= score) and ((t, s) != (time, score) or j < i)
            for j, (t, s) in enumerate(rounded)
            if j != i
        )
        if not beaten:
            front.append(i)
    return sorted(front, key=lambda i: points[i][0])


@pytest.mark.parametrize("seed", range(20))
def test_pareto_front_matches_brute_force(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 9))
    points = [(float(t), float(s) / 4) for t, s in rng.integers(1, 5, (count, 2))]
    assert report_text.pareto_front(points) == brute_force_front(points)


def test_accuracy_below_the_third_decimal_does_not_make_a_front():
    assert report_text.pareto_front([(1.0, 0.7), (2.0, 0.7001), (3.0, 0.71)]) == [0, 2]


def test_front_rows_count_in_the_table_of_all_rows():
    assert front_rows(make_document()) == {1, 2}


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (0.001, "0.00"), (0.0123, "0.0123"), (1.2345, "1.23"), (12.3, "12.3"),
     (123.4, "123"), (-0.31, "-0.310")],
)  # fmt: skip
def test_times_have_three_digits(value, words):
    assert report_text.milliseconds(value) == words


def test_terminal_table_aligns_and_tells_reasons():
    lines = terminal_table(make_document()).splitlines()
    head, units, rule, *rows = lines[:9]
    assert len(rule) == len(head)
    ends = [match.end() for match in re.finditer(r"end to end|\S+", head)]
    for row in rows:
        assert all(len(row) <= end or row[end] == " " for end in ends), row
    assert rows[1].split() == [
        "LiteRT", "float32", "1", "0.500", "3.00", "1.00", "5.00", "6.00", "0.700", "0.900",
        "8.00", "80",
    ]  # fmt: skip
    assert lines[-2].startswith("! ONNX int8 · 1 thread: export failed")
    assert lines[-1] == "* TensorRT float16: not measured (no GPU)"


def test_several_models_and_threads_are_told_apart():
    rows = [timed_row("litert", "int8", n, 1.0 + n, 0.5, 1e6) for n in (1, 2)]
    other = timed_row("litert", "int8", 1, 3.0, 0.5, 1e6)
    other.model = "coins"
    document = make_document([*rows, other])
    names = [report_text.row_name(row, document) for row in document["rows"]]
    assert names[1] == "cells · LiteRT int8 · 2 threads"
    assert len(set(names)) == 3
    assert terminal_table(document).split()[0] == "model"


@pytest.mark.parametrize("page", ["html", "label_maps"])
def test_report_names_nothing_outside_itself(page, request):
    html = request.getfixturevalue(page)
    encoded = re.compile(r"(data:image/(?:jpeg|png);base64,)[A-Za-z0-9+/=]+")
    assert not re.findall(r"https?:|//[a-z]|@import|url\(", encoded.sub(r"\1", html))
    allowed = ("data:image/jpeg;base64,", "data:image/png;base64,", "data:,")
    for _, attributes in Page(html).tags:
        for name in ("src", "href", "srcset", "action"):
            assert name not in attributes or attributes[name].startswith(allowed)


def test_report_escapes_every_text(html):
    page = Page(html)
    assert HOSTILE not in html
    assert html.count("&lt;script&gt;") >= 3  # reason, command, class names
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 1


def test_report_has_every_row_point_and_picture(html):
    page = Page(html)
    assert len(page.find("tr", "ok")) == 4
    assert len(page.find("tr", "failed")) == len(page.find("tr", "partial")) == 1
    points = [a for _, a in page.tags if "point" in (a.get("class") or "").split()]
    assert len(points) == 2 * 4  # one chart for wide, one for narrow screens
    assert len([a for a in points if "on-front" in a["class"]]) == 2 * 2
    assert len(page.find("img")) == 2
    assert page.count(data_layer="cells-litert-int8") == 2
    assert "HALF × 52" in html


def test_gallery_leaves_out_what_is_hardly_certain(html):
    boxes = len(Page(html).find("rect", "box"))
    assert boxes == 2 * (3 * 2 + 2)  # two pictures, three artefacts and the annotation


def test_jpeg_uri_holds_the_picture():
    image = np.zeros((200, 800, 3), "uint8")
    image[:, 400:] = (255, 0, 0)
    head, data = jpeg_uri(image, longest=400).split(",")
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (head, picture.size) == ("data:image/jpeg;base64", (400, 100))
    assert np.allclose(picture.getpixel((300, 50)), (255, 0, 0), atol=4)


def opened(uri):
    head, data = uri.split(",")
    return head, Image.open(io.BytesIO(base64.b64decode(data)))


def test_label_map_uri_holds_the_labels_and_lets_the_picture_through():
    labels = np.zeros((40, 80), int)
    labels[:, 40:], labels[30:] = 1, 255
    head, picture = opened(label_map_uri(labels, ("background", "cat"), longest=40))
    assert (head, picture.mode, picture.size) == ("data:image/png;base64", "P", (40, 20))
    np.testing.assert_array_equal(np.asarray(picture), labels[1::2, 1::2])
    alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    assert set(alpha[:15, 20:].ravel().tolist()) == {150}
    assert not alpha[:, :20].any() and not alpha[15:].any()


def test_a_report_of_label_maps(label_maps):
    page = Page(label_maps)
    assert "mIoU" in label_maps and "mAP" not in label_maps
    assert "Classes of the pixels; a button chooses whose." in label_maps
    assert HOSTILE not in label_maps
    layers = page.find("image", "labels")
    assert len(layers) == 2 * 4  # two pictures, three artefacts and the annotation
    head, picture = opened(layers[0]["href"])
    expected = make_label_maps(1)[0]["layers"]["truth"]["segmentation"]
    np.testing.assert_array_equal(np.asarray(picture), expected)
    # in the legend: the classes that are seen, without the clear background
    names = label_maps.split('aria-label="Classes">')[1].split("</ul>")[0]
    assert re.findall(r"</span>(.*?)</li>", names) == [
        "disc", "&lt;script&gt;document.body.remove()&lt;/script&gt;"
    ]  # fmt: skip


def test_masks_and_keypoints_lie_over_the_picture():
    """Two masks that overlap: the surer one is on top, the unsure third is left out."""
    masks = np.zeros((3, 40, 60), bool)
    masks[0, 5:20, 5:30], masks[1, 10:30, 20:50], masks[2, 35:, :] = True, True, True
    fields = {
        "boxes": np.array([[5, 5, 30, 20], [20, 10, 50, 30], [0, 35, 60, 40]]),
        "scores": np.array([0.9, 0.6, 0.1]),
        "labels": np.array([1, 0, 0]),
        "masks": [{**one, "counts": one["counts"].decode()} for one in run_lengths.encode(masks)],
        "keypoints": np.array([[[7, 8, 0.9], [9, 9, 0.0]], [[30, 20, 0.5]] * 2, [[1, 1, 1.0]] * 2]),
    }
    expected = np.full((40, 60), 255)
    expected[masks[1]], expected[masks[0]] = 1, 0
    np.testing.assert_array_equal(instance_map(fields, (40, 60)), expected)
    item = {"image": np.zeros((40, 60, 3), "uint8"), "layers": {"a": fields}}
    page = Page(gallery([item], [("a", "A")], ["cat", "dog"]))
    (drawn,) = page.find("image", "labels")
    head, picture = opened(drawn["href"])
    np.testing.assert_array_equal(np.asarray(picture), expected)
    assert len(page.find("rect", "box")) == 2
    centres = [(float(one["cx"]), float(one["cy"])) for one in page.find("circle", "point")]
    assert sorted(centres) == [(7.0, 8.0), (30.0, 20.0), (30.0, 20.0)]
    plain = {**fields, "masks": []}
    del plain["keypoints"]
    page = Page(gallery([{**item, "layers": {"a": plain}}], [("a", "A")], ["cat", "dog"]))
    assert not page.find("image") and not page.find("circle")


def test_neighbouring_classes_have_distant_colours():
    hues = [float(re.search(r"hsl\((\d+)", colour_of(label))[1]) for label in range(8)]
    for a, b in itertools.combinations(hues, 2):
        assert min(abs(a - b), 360 - abs(a - b)) > 15


def test_bars_share_one_scale_and_keras_may_leave_it():
    bars = stage_bars(make_document())
    widths = [float(w) for w in re.findall(r'class="bar[ a-z]*" style="width:([\d.]+)%', bars)]
    assert widths == pytest.approx([100 * 2 / 6, 100 * 5 / 6, 100, 100], abs=0.01)
    assert bars.count("clipped") == 1


def test_report_without_any_figure_says_so():
    rows = [Row("cells", "tensorrt", "float16", None, "partial", "not measured (no GPU)")]
    html = render(make_document(rows), [])
    assert "No row has both a time and an accuracy." in html
    assert "No row was timed on this machine." in html
    assert "No pictures" in html


def test_ticks_are_round_and_inside():
    assert time_ticks(1.5, 60) == [2, 5, 10, 20, 50]
    assert score_ticks(0.61, 0.72) == pytest.approx([0.62, 0.64, 0.66, 0.68, 0.7, 0.72])


@pytest.mark.parametrize("points", [[(3.0, 0.5)], [(1.0, 0.0), (900.0, 1.0)]])
def test_every_point_lies_inside_the_frame(points):
    frame = frame_of(points, 400, 300)
    for time, score in points:
        assert frame.left < frame.x(time) < frame.width - frame.right
        assert frame.top <= frame.y(score) <= frame.height - frame.bottom


def test_labels_never_overlap():
    frame, taken = Frame(400, 300, (1, 10), (0, 1)), []
    places = [place_label("a label", 200, 150, frame, taken) for _ in range(12)]
    assert places[0] and places[-1] is None
    for a, b in itertools.combinations(taken, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


def test_a_report_that_cannot_be_rendered_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(KeyError):
        write_report({"rows": []}, [], path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def in_browser(path, *flags):
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", f"--user-data-dir={path.parent / 'profile'}", *flags,
        "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def open_with(html, path, script=""):
    """Open the page with a script behind its own; errors are kept in the title."""
    listen = "<script>window.onerror=(m)=>{document.title='ERROR '+m}</script></head>"
    page = html.replace("</head>", listen, 1).replace(
        "</body>", f"<script>{script}</script></body>"
    )
    path.write_text(page, encoding="utf-8")
    return in_browser(path)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_report_works_in_a_browser(html, tmp_path):
    script = """
      document.querySelectorAll('#rows thead button')[5].click();
      document.querySelector('[data-show="cells-litert-int8"]').click();
      document.querySelector('.point').dispatchEvent(new MouseEvent('mousemove', {clientX: 9}));
      document.getElementById('theme').click();
    """
    dom = open_with(html, tmp_path / "report.html", script)
    page = Page(dom)
    assert "<title>Benchmark of cells</title>" in dom
    assert page.count(data_ready="true") == 1
    assert page.count(data_theme="dark") == 1
    assert len(page.find("g", "shown")) == page.count(data_layer="cells-litert-int8") == 2
    order = [a["data-row"] for a in page.find("tr") if "data-row" in a]
    assert order == ["2", "1", "3", "0", "4", "5"]  # by p90, rows without it last
    tip = dom.split('id="tip"')[1]
    assert "hidden" not in tip.split(">")[0] and "mAP 0." in tip


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_label_maps_are_toggled_in_a_browser(label_maps, tmp_path):
    script = """
      document.querySelector('[data-show="truth"]').click();
      document.title = [...document.querySelectorAll('.labels')]
        .filter((map) => map.getBoundingClientRect().width > 50).length;
    """
    dom = open_with(label_maps, tmp_path / "report.html", script)
    assert "<title>2</title>" in dom  # only those of the annotation have a size on the screen
    page = Page(dom)
    assert len(page.find("g", "shown")) == page.count(data_layer="truth") == 2


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_browser_check_can_fail(html, tmp_path):
    broken = html.replace("const table", "const table = missing; const other")
    assert "<title>ERROR" in open_with(broken, tmp_path / "report.html")
