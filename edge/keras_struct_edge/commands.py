"""What the command line does, once its options are read."""

import collections
import sys
from pathlib import Path

from .files import IMAGE_SUFFIXES, read_image, write_image, write_json
from .loading import load
from .segmentation import Segmentation
from .tasks import task_of
from .timing import time_steps
from .video import CODECS, VIDEO_SUFFIXES, Video, is_camera, video_writer


class UsageError(Exception):
    """The command makes no sense as written: exit status 2."""


def run(options) -> int:
    """Check the whole command, open the model, then work; returns the exit status."""
    moving = [one for one in options.sources if _is_moving(one)]
    if moving and len(options.sources) > 1:
        raise UsageError(f"{moving[0]} must be the only source: give one video or camera at a time")
    if options.frames and not moving:
        raise UsageError("--frames is for a video or a camera")
    if options.benchmark and moving:
        raise UsageError("--benchmark needs an image as its source")
    if options.labels and moving:
        raise UsageError("--labels needs images as its source")
    files = [] if moving else _image_files(options.sources)
    targets = {
        "--output": _targets(files, options, "--output", IMAGE_SUFFIXES),
        "--labels": _targets(files, options, "--labels", (".png",)),
    }
    both = set(targets["--output"]) & set(targets["--labels"]) - {None}
    if both:
        raise UsageError(f"--output and --labels would both write {both.pop()}: choose two names")
    _check_folder(options.json, "--json")
    predictor = load(options.model, threads=options.threads)
    keep = _filter(predictor, options)
    if options.benchmark:
        _print_times(predictor, files[0], options)
    if moving:
        return _run_video(predictor, keep, moving[0], options)
    return _run_images(predictor, keep, files, targets, options)


def _is_moving(source):
    return is_camera(source) or Path(source).suffix.lower() in VIDEO_SUFFIXES


def _image_files(sources):
    files = []
    for source in map(Path, sources):
        if not source.exists():
            raise FileNotFoundError(f"There is no file or folder {source}. Check the name.")
        found = [source]
        if source.is_dir():
            found = sorted(p for p in source.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not found:
                raise ValueError(
                    f"The folder {source} holds no images ({' '.join(IMAGE_SUFFIXES)})."
                )
        files.extend(found)
    return files


def _targets(files, options, option, suffixes):
    """Where each image's picture goes: None, a file, or files in a folder; checked before work."""
    path = getattr(options, option.lstrip("-"))
    if path is None:
        return [None] * len(files)
    if not files:  # a video
        _check_suffix(path, CODECS, option)
        targets = [path]
    elif len(files) > 1 or Path(options.sources[0]).is_dir() or path.is_dir():
        if path.exists() and not path.is_dir():
            raise UsageError(f"{option} must be a folder for many images, {path} is a file")
        targets = [path / _named(file, suffixes) for file in files]
        twice = [name for name, n in collections.Counter(targets).items() if n > 1]
        if twice:
            raise UsageError(f"two images would both be written to {twice[0]}: run them separately")
        path.mkdir(parents=True, exist_ok=True)
    else:
        _check_suffix(path, suffixes, option)
        targets = [path]
    _check_folder(targets[0], option)
    for source in [*files, *map(Path, options.sources)]:
        if source.exists() and source.resolve() in {target.resolve() for target in targets}:
            raise UsageError(f"{option} would overwrite {source}: choose another name")
    return targets


def _named(file, suffixes):
    return file.name if file.suffix.lower() in suffixes else file.with_suffix(suffixes[0]).name


def _check_suffix(path, suffixes, option):
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{option} must end in one of {' '.join(suffixes)}, received {path}")


def _check_folder(path, option):
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"{option} is in a folder that does not exist: {path.parent}")
    if path is not None and path.is_dir():
        raise UsageError(f"{option} must be a file, {path} is a folder")


def _filter(predictor, options):
    """A function that keeps of an answer what the options ask for."""
    task = task_of(predictor.card)
    if options.labels and task.answer is not Segmentation:
        raise UsageError(f"--labels is for label maps, {options.model} gives none")
    if options.min_score and task.scores not in predictor.card["results"]:
        raise UsageError(
            f"--min-score needs a model that gives {task.scores}, {options.model} does not"
        )
    score = task.min_score if options.min_score is None else options.min_score
    classes = options.classes.split(",") if options.classes else None
    try:
        task.answer.empty(predictor.class_names).filter(classes=classes)
    except ValueError as error:
        raise UsageError(f"--classes: {error}") from None
    return lambda found: found.filter(score, classes)


def _run_images(predictor, keep, files, targets, options):
    images, failures = [], 0
    rows = list(zip(files, targets["--output"], targets["--labels"], strict=True))
    bar = _progress(rows, "image", len(files))
    for file, drawn, labels in bar:
        try:
            image = read_image(file)
        except (OSError, ValueError) as error:  # one bad photo must not lose the others
            bar.write(f"error: {error}", file=sys.stderr)
            failures += 1
            continue
        found = keep(predictor(image))
        bar.write(f"{file}: {found.summary()}", file=sys.stdout)
        if len(files) == 1:
            print(*(f"  {line}\n" for line in found.lines()), sep="", end="")
        if drawn is not None:
            write_image(drawn, found.draw(image))
        if labels is not None:
            found.save(labels)
        if options.json:
            height, width = image.shape[:2]
            images.append({"file": str(file), "height": height, "width": width, **_plain(found)})
    if images:
        write_json(options.json, _report(predictor, options, images=images))
    if failures:
        print(f"error: {failures} of {len(files)} images could not be read", file=sys.stderr)
    return 1 if failures else 0


def _run_video(predictor, keep, source, options):
    if not is_camera(source) and not Path(source).is_file():
        raise FileNotFoundError(f"There is no video {source}. Check the name.")
    video = Video(source)
    try:
        if options.output is None:
            count, frames = _run_frames(predictor, keep, video, source, options, None)
        else:
            with video_writer(options.output, video.rate) as write:
                count, frames = _run_frames(predictor, keep, video, source, options, write)
    finally:
        video.close()
    if options.json:
        write_json(options.json, _report(predictor, options, source=source, frames=frames))
    print(f"{source}: {count} frames")
    return 0


def _run_frames(predictor, keep, video, source, options, write):
    """Frames seen, and what was found in each of them where it is to be written down."""
    count, frames = 0, []
    total = min((n for n in (options.frames, video.length) if n), default=None)
    try:
        for image in _progress(video, "frame", total):
            found = keep(predictor(image))
            if write is not None:
                write(found.draw(image))
            if options.json:
                frames.append({"frame": count, "seconds": count / video.rate, **_plain(found)})
            count += 1
            if count == options.frames:
                break
    except KeyboardInterrupt:
        if not is_camera(source):  # for a camera it is the way to stop: keep what is there
            raise
    if not count:
        raise ValueError(f"{source} gave no frame. Check that it plays in another program.")
    return count, frames


def _progress(items, unit, total):
    from tqdm import tqdm

    # disable=None: no bar where the screen is not a terminal
    return tqdm(items, unit=unit, total=total, disable=True if total == 1 else None, leave=False)


def _plain(found):
    """An answer as plain values; the names of the classes stand once in the report."""
    return {name: value for name, value in found.to_dict().items() if name != "class_names"}


def _report(predictor, options, **content):
    names = list(predictor.class_names)
    return {"model": str(options.model), "class_names": names, **content}


def _print_times(predictor, file, options):
    times = time_steps(predictor, read_image(file), options.benchmark)
    print(f"median of {options.benchmark} runs, ms (threads: {options.threads or 'default'})")
    for name, milliseconds in times.items():
        print(f"  {name:12s} {milliseconds:8.2f}")
