"""Refine label maps with a fully connected CRF: labels snap to the edges of the image.

    keras-struct refine --image=photo.png --labels=scribbles.png --output=refined.png
    keras-struct refine --image=photos/ --labels=masks/ --output=refined/ --unknown=255
    keras-struct refine --image=big.jpg --labels=big.png --output=out.png --bilateral=160,13,10

Labels are a picture in which every colour is a label, or one of ids: 8-bit grey, or a palette.
Unknown pixels get a label from the others; by default they are the black ones, in masks of
PASCAL VOC, where black is the background, say --unknown=255. The result has the same form, and
the same palette. In folders, files belong together by name (dog.jpg, dog.png). No network is
used. Deviations are in pixels: --bilateral=80,13,10 is for images of about 500 pixels.
"""

import sys
from pathlib import Path

from absl import flags

from keras_struct_tools import options as reading

FLAGS = flags.FlagValues()
flags.DEFINE_string("image", None, "Image, or a folder of them.", flag_values=FLAGS)
flags.DEFINE_string("labels", None, "Label map, or a folder of them.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "PNG to write, or a folder.", flag_values=FLAGS)
flags.DEFINE_list(
    "spatial",
    ["3", "3"],
    "DEVIATION,WEIGHT of pixels that are near, deviation in pixels.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "bilateral",
    ["80", "13", "10"],
    "DEVIATION,COLOURS,WEIGHT of pixels that are near and alike: deviation in pixels, and of "
    "colours, which are 0 to 255.",
    flag_values=FLAGS,
)
flags.DEFINE_integer("iterations", 5, "Steps of mean field.", 1, flag_values=FLAGS)
flags.DEFINE_float(
    "gt_prob", 0.7, "Probability, between 0 and 1, that a label is right.", flag_values=FLAGS
)
flags.DEFINE_string(
    "unknown", "black", "Pixels without a label: black, an id, or none.", flag_values=FLAGS
)


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    options = reading.parse(FLAGS, argv, ("image", "labels", "output"))
    settings = {
        "spatial": _numbers("spatial", options.spatial, "DEVIATION,WEIGHT"),
        "bilateral": _numbers("bilateral", options.bilateral, "DEVIATION,COLOURS,WEIGHT"),
        "iterations": options.iterations,
    }
    if not 0 < options.gt_prob < 1:
        raise flags.Error(f"`--gt_prob` must be between 0 and 1. Received: {options.gt_prob}.")
    if options.unknown not in ("black", "none") and not options.unknown.isdecimal():
        raise flags.Error(
            f"`--unknown` must be black, an id such as 255, or none. Received: {options.unknown}."
        )
    jobs = file_triples(Path(options.image), Path(options.labels), Path(options.output))
    if len(jobs) == 1:
        print(_refine_file(*jobs[0], options, settings))
        return 0
    return _refine_all(jobs, options, settings)


def _refine_all(jobs, options, settings):
    from tqdm import tqdm

    failures = 0
    # a bar in a log file is noise: tqdm stays silent there.
    with tqdm(jobs, unit="image", disable=None) as bar:
        for job in bar:
            try:
                _refine_file(*job, options, settings)
            except ValueError as error:  # one bad file must not lose the others
                bar.write(f"keras-struct refine: {error}", file=sys.stderr)
                failures += 1
    print(f"{options.output}: {len(jobs) - failures} of {len(jobs)} label maps refined.")
    return int(failures > 0)


def file_triples(image: Path, labels: Path, output: Path) -> list[tuple[Path, Path, Path]]:
    """Image, label map and result of each job; for folders, one for each label map.

    Raises:
        ValueError: if a path does not exist, only one is a folder, files do not belong together,
            or the result would overwrite what was given.
    """
    for flag, path in (("image", image), ("labels", labels)):
        if not path.exists():
            raise ValueError(f"`--{flag}` must be a file or a folder. There is no {path}.")
    if image.is_dir() != labels.is_dir():
        raise ValueError(
            "`--image` and `--labels` must both be files, or both be folders. "
            f"Received: {image}, {labels}."
        )
    if image.is_dir():
        jobs = _folder_triples(image, labels, output)
    elif output.suffix.lower() != ".png" or output.is_dir():
        raise ValueError(f"`--output` must be a .png file, which keeps labels. Received: {output}.")
    else:
        jobs = [(image, labels, output)]
    given = {path.resolve() for job in jobs for path in job[:2]}
    for *_, result in jobs:
        if result.resolve() in given:
            raise ValueError(f"`--output` must not overwrite {result}. Choose another name.")
    return jobs


def _folder_triples(images, labels, output):
    from keras_struct_tools.predict import image_files

    maps = list(image_files([labels], "labels"))
    by_name = {}
    for file in image_files([images], "image"):
        if file.stem in by_name:
            raise ValueError(f"`--image` must have one {file.stem}: {by_name[file.stem]}, {file}.")
        by_name[file.stem] = file
    missing = [file.name for file in maps if file.stem not in by_name]
    if missing:
        raise ValueError(
            f"`--image` must have an image for every label map. Of {len(maps)} there are none "
            f"for {len(missing)}, such as {missing[0]}."
        )
    if output.is_file():
        raise ValueError(f"`--output` must be a folder for a folder of images. {output} is a file.")
    return [(by_name[file.stem], file, output / f"{file.stem}.png") for file in maps]


def _refine_file(image_file, label_file, output, options, settings):
    from keras_struct.inference import label_logits, refine
    from keras_struct_tools.label_files import read_label_file
    from keras_struct_tools.predict import read_image

    image = read_image(image_file)
    given = read_label_file(label_file, options.unknown)
    if image.shape[:2] != given.labels.shape:
        raise ValueError(
            f"{label_file}: must have the size of {image_file}. Received: (height, width) "
            f"{given.labels.shape}, image {image.shape[:2]}."
        )
    logits = label_logits(given.labels, len(given.values), options.gt_prob)
    refined = refine(logits, image, **settings).argmax(axis=-1)
    given.save(output, refined)
    known = given.labels >= 0
    changed = (refined != given.labels)[known].mean()
    return (
        f"{output}: {len(given.values)} labels, {1 - known.mean():.1%} of the pixels were unknown, "
        f"{changed:.1%} of the others changed."
    )


def _numbers(name, texts, form):
    numbers = reading.numbers(name, texts, form)
    if not min(numbers[:-1]) > 0:
        raise flags.Error(
            f"`--{name}` must be {form}, numbers with deviations above 0. "
            f"Received: --{name}={','.join(texts)}."
        )
    return numbers
