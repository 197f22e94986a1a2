"""`keras-struct refine`: labels in and out in one form, files together by name, clear errors."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "densecrf_examples"
BLACK, RED, BLUE = (0, 0, 0), (200, 0, 0), (0, 0, 250)
KERNEL = "--bilateral=20,13,10"


def two_halves():
    """A picture with an edge in the middle."""
    image = np.zeros((16, 16, 3), "uint8")
    image[:, 8:] = 200
    return Image.fromarray(image)


def scribbles(nothing, left, right):
    """Ids of a mark on each half."""
    labels = np.full((16, 16), nothing, "uint8")
    labels[4:12, 2:6], labels[4:12, 10:14] = left, right
    return labels


@pytest.fixture
def image(tmp_path):
    two_halves().save(tmp_path / "image.png")
    return tmp_path / "image.png"


@pytest.fixture
def run(command, image, tmp_path):
    """Refine `labels`, a Pillow image; give the result, stdout and stderr."""

    def call(labels, *flags, code=0):
        labels.save(tmp_path / "labels.png")
        output = tmp_path / "out" / "refined.png"
        got, out, err = command(
            "refine",
            f"--image={image}",
            f"--labels={tmp_path / 'labels.png'}",
            f"--output={output}",
            KERNEL,
            *flags,
        )
        assert got == code, err
        return Image.open(output) if code == 0 else None, out, err

    return call


def coloured(ids, colours):
    return Image.fromarray(np.array(colours, "uint8")[ids])


def test_colours_stay_colours_and_black_is_unknown(run):
    result, out, _ = run(coloured(scribbles(0, 1, 2), [BLACK, RED, BLUE]))
    expected = coloured(np.tile(1 + np.arange(16) // 8, (16, 1)), [BLACK, RED, BLUE])
    assert result.mode == "RGB"
    np.testing.assert_array_equal(np.array(result), np.array(expected))
    assert "2 labels, 75.0% of the pixels were unknown, 0.0% of the others changed" in out


@pytest.mark.parametrize(("mode", "unknown"), [("L", "255"), ("P", "255"), ("P", "black")])
def test_ids_stay_ids(run, mode, unknown):
    nothing = 255 if unknown == "255" else 3
    labels = Image.fromarray(scribbles(nothing, 0, 9))
    palette = [channel for i in range(256) for channel in (255 - i, i, i // 2)]
    palette[3 * 3 : 3 * 3 + 3] = BLACK
    if mode == "P":
        labels.putpalette(palette)
    result, _, _ = run(labels, f"--unknown={unknown}")
    assert result.mode == mode
    np.testing.assert_array_equal(np.array(result), np.tile(np.arange(16) // 8 * 9, (16, 1)))
    if mode == "P":
        assert result.getpalette() == palette


def test_nothing_is_unknown_where_one_says_so(run):
    result, out, _ = run(Image.fromarray(scribbles(0, 1, 2)), "--unknown=none")
    assert set(np.unique(result)) <= {0, 1, 2} and "0.0% of the pixels were unknown" in out


def test_transparency_and_alpha(run, tmp_path):
    labels = Image.fromarray(scribbles(255, 0, 9))
    labels.putpalette([channel for i in range(256) for channel in (i, i, 1)])
    labels.info["transparency"] = 9
    result, _, _ = run(labels, "--unknown=255")
    assert result.info["transparency"] == 9
    labels = coloured(scribbles(0, 1, 2), [BLACK, RED, BLUE]).convert("RGBA")
    assert run(labels)[0].mode == "RGB"


def test_a_folder_is_refined_by_name(command, tmp_path):
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b", "c"):
        two_halves().save(tmp_path / "photos" / f"{name}.bmp")
        Image.fromarray(scribbles(0, 1, 2)).save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "masks" / "c.png").write_bytes(b"not a picture")
    two_halves().save(tmp_path / "photos" / "without_labels.bmp")
    flags = [f"--image={tmp_path / 'photos'}", f"--labels={tmp_path / 'masks'}", KERNEL]
    code, out, err = command("refine", *flags, f"--output={tmp_path / 'out'}")
    assert code == 1 and "2 of 3 label maps refined" in out
    assert "c.png: must be an image that can be read" in err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    expected = np.tile(1 + np.arange(16) // 8, (16, 1))
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out" / "b.png")), expected)


@pytest.mark.parametrize(
    ("labels", "flags", "message"),
    [
        (np.ones((9, 16), "uint8"), [], "must have the size of .* (9, 16), image (16, 16)"),
        (np.zeros((16, 16), "uint8"), [], "must hold a label. All of its pixels are unknown"),
        (np.ones((16, 16), "uint8"), ["--unknown=1"], "must hold a label"),
        (np.ones((16, 16), "uint16"), [], "must be of 8-bit grey, a palette, or RGB.*mode 'I"),
        (np.ones((16, 16, 3), "uint8"), ["--unknown=1"], "`--unknown` must be black or none"),
        (np.random.default_rng(0).integers(0, 256, (20, 20, 3), "uint8"), [], "at most 256 labels"),
        (np.ones((16, 16), "uint8"), ["--unknown=void"], "`--unknown` must be black, an id"),
        (np.ones((16, 16), "uint8"), ["--gt_prob=1"], "`--gt_prob` must be between 0 and 1"),
        (np.ones((16, 16), "uint8"), ["--spatial=3"], "`--spatial` must be DEVIATION,WEIGHT"),
        (np.ones((16, 16), "uint8"), ["--spatial=0,3"], "with deviations above 0"),
        (np.ones((16, 16), "uint8"), ["--bilateral=8,x,3"], "Received: --bilateral=8,x,3"),
        (np.ones((16, 16), "uint8"), ["--bilateral=8,1e-9,3"], "must have bandwidths"),
        (np.ones((16, 16), "uint8"), ["--output=a.jpg"], "`--output` must be a .png file"),
        (np.ones((16, 16), "uint8"), ["--image=none.png"], "There is no none.png"),
        (np.ones((16, 16), "uint8"), ["--image=."], "must both be files, or both be folders"),
    ],
)
def test_errors_are_one_line(run, labels, flags, message):
    _, _, err = run(Image.fromarray(labels), *flags, code=2)
    assert err.count("\n") == 1
    for part in message.split(".*"):
        assert part in err


def test_results_never_replace_what_was_given(command, image):
    code, _, err = command("refine", f"--image={image}", f"--labels={image}", f"--output={image}")
    assert code == 2 and "`--output` must not overwrite" in err


def test_folders_must_belong_together(command, tmp_path):
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    for folder in (photos, masks):
        folder.mkdir()
    flags = [f"--image={photos}", f"--labels={masks}"]
    two_halves().save(photos / "a.png")
    assert (
        "`--labels` must be image files, or folders" in command("refine", *flags, "--output=o")[2]
    )
    two_halves().save(masks / "b.png")
    assert "there are none for 1, such as b.png" in command("refine", *flags, "--output=o")[2]
    two_halves().save(photos / "a.bmp")
    assert "`--image` must have one a:" in command("refine", *flags, "--output=o")[2]
    (photos / "a.bmp").unlink()
    two_halves().save(photos / "b.png")
    taken = f"--output={photos / 'a.png'}"
    assert "`--output` must be a folder for a folder" in command("refine", *flags, taken)[2]
    assert "must not overwrite" in command("refine", *flags, f"--output={masks}")[2]


def test_an_example_of_the_published_code(command, tmp_path):
    if not EXAMPLES.is_dir():
        pytest.skip("the shared examples are not here")
    output = tmp_path / "refined.png"
    code, _, err = command(
        "refine",
        f"--image={EXAMPLES / 'im3.png'}",
        f"--labels={EXAMPLES / 'anno3.png'}",
        f"--output={output}",
    )
    assert code == 0, err
    found, expected = (
        np.array(Image.open(file).convert("RGB")) for file in (output, EXAMPLES / "out3.png")
    )
    assert (found == expected).all(-1).mean() > 0.997
