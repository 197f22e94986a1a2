"""What the command line does, once its options are read."""

import collections
import sys
from pathlib import Path

from .detections import Detections
from .files import IMAGE_SUFFIXES, read_image, write_image, write_json
from .loading import load
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
    files = [] if moving else _image_files(options.sources)
    targets = _targets(files, options)
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


def _targets(files, options):
    """Where to draw each image: None, a file, or files in a folder; all checked before work."""
    output = options.output
    if output is None:
        return [None] * len(files)
    if not files:  # a video
        _check_suffix(output, CODECS)
        targets = [output]
    elif len(files) > 1 or Path(options.sources[0]).is_dir() or output.is_dir():
        if output.exists() and not output.is_dir():
            raise UsageError(f"--output must be a folder for many images, {output} is a file")
        targets = [output / file.name for file in files]
        twice = [name for name, n in collections.Counter(targets).items() if n > 1]
        if twice:
            raise UsageError(f"two images would both be drawn to {twice[0]}: run them separately")
        output.mkdir(parents=True, exist_ok=True)
    else:
        _check_suffix(output, IMAGE_SUFFIXES)
        targets = [output]
    _check_folder(targets[0], "--output")
    for source in [*files, *map(Path, options.sources)]:
        if source.exists() and source.resolve() in {target.resolve() for target in targets}:
            raise UsageError(f"--output would overwrite {source}: choose another name")
    return targets


def _check_suffix(path, suffixes):
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"--output must end in one of {' '.join(suffixes)}, received {path}")


def _check_folder(path, option):
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"{option} is in a folder that does not exist: {path.parent}")
    if path is not None and path.is_dir():
        raise UsageError(f"{option} must be a file, {path} is a folder")


def _filter(predictor, options):
    classes = options.classes.split(",") if options.classes else None
    try:
        Detections.empty(predictor.class_names).filter(classes=classes)
    except ValueError as error:
        raise UsageError(f"--classes: {error}") from None
    return lambda found: found.filter(options.min_score, classes)


def _run_images(predictor, keep, files, targets, options):
    images, failures = [], 0
    bar = _progress(list(zip(files, targets, strict=True)), "image", len(files))
    for file, target in bar:
        try:
            image = read_image(file)
        except (OSError, ValueError) as error:  # one bad photo must not lose the others
            bar.write(f"error: {error}", file=sys.stderr)
            failures += 1
            continue
        found = keep(predictor(image))
        bar.write(f"{file}: {_summary(found)}", file=sys.stdout)
        if len(files) == 1:
            print(*_lines(found), sep="\n", end="\n" if len(found) else "")
        if target is not None:
            write_image(target, found.draw(image))
        height, width = image.shape[:2]
        images.append({"file": str(file), "height": height, "width": width, **_found(found)})
    if options.json and images:
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
            frames = _run_frames(predictor, keep, video, source, options, lambda frame: None)
        else:
            with video_writer(options.output, video.rate) as write:
                frames = _run_frames(predictor, keep, video, source, options, write)
    finally:
        video.close()
    if options.json:
        write_json(options.json, _report(predictor, options, source=source, frames=frames))
    print(f"{source}: {len(frames)} frames, {sum(len(f['detections']) for f in frames)} detections")
    return 0


def _run_frames(predictor, keep, video, source, options, write):
    frames = []
    total = min((n for n in (options.frames, video.length) if n), default=None)
    try:
        for number, image in enumerate(_progress(video, "frame", total)):
            found = keep(predictor(image))
            if options.output is not None:
                write(found.draw(image))
            frames.append({"frame": number, "seconds": number / video.rate, **_found(found)})
            if number + 1 == options.frames:
                break
    except KeyboardInterrupt:
        if not is_camera(source):  # for a camera it is the way to stop: keep what is there
            raise
    if not frames:
        raise ValueError(f"{source} gave no frame. Check that it plays in another program.")
    return frames


def _progress(items, unit, total):
    from tqdm import tqdm

    # disable=None: no bar where the screen is not a terminal
    return tqdm(items, unit=unit, total=total, disable=True if total == 1 else None, leave=False)


def _found(found):
    return {"detections": found.to_dict()["detections"]}


def _report(predictor, options, **content):
    names = list(predictor.class_names)
    return {"model": str(options.model), "class_names": names, **content}


def _summary(found):
    counts = collections.Counter(found.names)
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing found"


def _lines(found):
    for one in found:
        edges = " ".join(f"{edge:8.1f}" for edge in one.boxes[0])
        yield f"  {one.names[0]:20s} {one.scores[0]:5.2f} {edges}"


def _print_times(predictor, file, options):
    times = time_steps(predictor, read_image(file), options.benchmark)
    print(f"median of {options.benchmark} runs, ms (threads: {options.threads or 'default'})")
    for name, milliseconds in times.items():
        print(f"  {name:12s} {milliseconds:8.2f}")
