"""Find what is in images: one JSON file, drawings, and label maps.

    keras-struct predict --model=runs/cells --images=photos/ --output=found/
    keras-struct predict --model=cells.tflite --images=a.jpg,b.png --output=found/ --min_score=0.5

The output folder holds predictions.json, {"model", "images": [{"file", "height", "width",
"class_names", ...}]}, with "detections" [{"label", "name", "score", "box"}], boxes xyxy in pixels
of the image, or "areas" {name: {"label", "pixels", "fraction"}}; with --draw each image as
drawings/NAME.png; and, of label maps, labels/NAME.png, whose pixels are the labels. Detections
have a "mask", COCO's run lengths {"size", "counts"}, or "keypoints" [[x, y, score]], where the
model gives them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from absl import flags

from keras_struct_tools import options as reading

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "model",
    None,
    "Run folder, .keras file, or artefact (.tflite, .onnx, .engine).",
    flag_values=FLAGS,
)
flags.DEFINE_list("images", [], "Image files and folders, separated by commas.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "Folder to write.", flag_values=FLAGS)
flags.DEFINE_float(
    "min_score",
    None,
    "Least score of what is kept; default: 0.3 for detections.",
    0.0,
    1.0,
    flag_values=FLAGS,
)
flags.DEFINE_boolean("draw", True, "Write the drawings.", flag_values=FLAGS)
flags.DEFINE_integer(
    "threads", None, "CPU threads of an artefact; default: its runtime's.", 1, flag_values=FLAGS
)

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    options = reading.parse(FLAGS, argv, ("model", "images", "output"))
    files = list(image_files(options.images))
    from keras_struct_tools.model_files import predictor
    from keras_struct_tools.output import write_json

    predict = predictor(options.model, options.threads)
    min_score = _min_score(options, predict.card)
    folder = Path(options.output)
    rows = []
    for file in files:
        image = read_image(file)
        found = predict(image).filter(min_score)
        print(f"{file}: {found.summary()}")
        row = {"file": str(file), "height": image.shape[0], "width": image.shape[1]}
        row |= found.to_dict()
        if row.pop("runs", None) is not None:  # the label map is a picture of its own
            row["labels"] = f"labels/{file.name}.png"
            (folder / "labels").mkdir(parents=True, exist_ok=True)
            found.save(folder / row["labels"])
        rows.append(row)
        if options.draw:
            _draw(found, image, folder / "drawings" / f"{file.name}.png")
    write_json(folder / "predictions.json", {"model": options.model, "images": rows})
    print(f"{folder / 'predictions.json'}: what was found in {len(files)} images.")
    return 0


def _min_score(options: Any, card: dict[str, Any]) -> float:
    from keras_struct_edge.tasks import task_of

    task = task_of(card)
    if options.min_score is None:
        return task.min_score
    if options.min_score and task.scores not in card["results"]:
        raise ValueError(
            f"`--min_score` must come with a model that gives {task.scores}. "
            f"Received: --min_score={options.min_score}, a model that gives {card['results']}."
        )
    return options.min_score


def image_files(paths: list[str | Path], flag: str = "images") -> Iterator[Path]:
    """The files of a list of files and folders; of a folder its images, sorted.

    Args:
        paths: files and folders.
        flag: that they were given with, for the error.

    Raises:
        ValueError: if a path does not exist or a folder holds no image.
    """
    for path in map(Path, paths):
        if path.is_file():
            yield path
            continue
        inside = sorted(p for p in path.glob("*") if p.suffix.lower() in SUFFIXES)
        if not inside:
            raise ValueError(
                f"`--{flag}` must be image files, or folders with {', '.join(SUFFIXES)} files. "
                f"Received: {path}, where there is none."
            )
        yield from inside


def read_image(file: Path):
    """Read an image file as (H, W, 3) uint8 RGB, turned upright as its EXIF tag says.

    Raises:
        ValueError: if it cannot be read.
    """
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            # a camera's "this side up" is part of the picture
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{file}: must be an image that can be read. {error}") from error


def _draw(found, image, path: Path) -> None:
    from PIL import Image

    from keras_struct.training.files import replacing

    with replacing(path) as temporary:
        Image.fromarray(found.draw(image)).save(temporary)
