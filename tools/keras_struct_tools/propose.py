"""Find proposals in the images of a data set once, for Fast R-CNN, SPPnet and R-CNN.

    keras-struct propose --data=voc:cells/ --splits=train,val --output=proposals.npz
    keras-struct train --model=fast_rcnn_mobilenet_v2 --data=voc:cells/ \
        --proposals=proposals.npz --output=runs/cells

Selective search takes a second or more an image. Images that the file has already are left alone,
so that a run that was stopped goes on with the same command. It needs OpenCV with its extra
modules: pip install keras-struct[proposals].
"""

from pathlib import Path

from absl import flags

from keras_struct_tools import options as reading
from keras_struct_tools.data_specs import DATA_FORMS

_SAVE_EVERY = 50  # images
_MODES = ("fast", "quality")

FLAGS = flags.FlagValues()
flags.DEFINE_string("data", None, f"{DATA_FORMS}.", flag_values=FLAGS)
flags.DEFINE_list("splits", ["train", "val"], "Splits of --data.", flag_values=FLAGS)
flags.DEFINE_string("output", None, "File to write, .npz, or to go on with.", flag_values=FLAGS)
flags.DEFINE_enum(
    "mode",
    "fast",
    list(_MODES),
    "Selective search: fast, about 2,000 boxes of a photograph, or quality, about 10,000.",
    flag_values=FLAGS,
)
flags.DEFINE_integer("most", 2000, "Boxes that are kept of an image.", 1, flag_values=FLAGS)


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    options = reading.parse(FLAGS, argv, ("data", "output"))
    path = Path(options.output)
    if path.suffix != ".npz":
        raise flags.Error(f"`--output` must be an .npz file. Received: --output={path}.")
    from keras_struct import data
    from keras_struct_tools.data_specs import has_splits, open_spec

    found = data.Proposals.load(path) if path.exists() else data.Proposals()
    splits = options.splits if has_splits(options.data) else options.splits[:1]
    datasets = [open_spec(options.data, split) for split in splits]
    rows = [(dataset, index) for dataset in datasets for index in range(len(dataset))]
    rows = [(dataset, index) for dataset, index in rows if dataset.annotation(index) not in found]
    path.parent.mkdir(parents=True, exist_ok=True)
    _find(rows, found, path, options)
    print(f"{path}: proposals of {len(found)} images, {len(rows)} of them new.")
    return 0


def _find(rows, found, path, options):
    from tqdm import tqdm

    from keras_struct.data import selective_search

    for count, (dataset, index) in enumerate(tqdm(rows, unit="image", disable=None), 1):
        image = dataset.read(index)["images"]
        found.add(dataset.annotation(index), selective_search(image, options.mode)[: options.most])
        if count % _SAVE_EVERY == 0:
            found.save(path)
    found.save(path)
