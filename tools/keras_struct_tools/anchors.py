"""Default boxes that fit a data set: k-means on box sizes with 1 - IoU as the distance.

    keras-struct anchors --data=voc:cells/ --image_size=320
    keras-struct anchors --data=voc:cells/ --counts=P3:4,P4:4,P5:2,P6:2 --json=boxes.json

The table shows each box in pixels of the network input; the mean best IoU says how well a true box
is met by the default box nearest in size (1 is perfect, below 0.6 is worth more boxes). Training
with --default_boxes=kmeans does the same.
"""

from absl import flags

from keras_struct_tools import options as reading

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "data",
    None,
    "voc:FOLDER, coco:ANNOTATIONS.json,IMAGES or shapes:COUNT.",
    flag_values=FLAGS,
)
flags.DEFINE_string("split", "train", "Split of --data.", flag_values=FLAGS)
flags.DEFINE_integer(
    "image_size", 320, "Side of the square network input, pixels.", 32, flag_values=FLAGS
)
flags.DEFINE_enum(
    "resize",
    "stretch",
    ["stretch", "letterbox"],
    "How images come to the input size.",
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "counts",
    None,
    "Boxes a cell of each level, finest first; without it sizes go to the levels they suit.",
    flag_values=FLAGS,
)
flags.DEFINE_integer("num_sizes", 8, "Sizes to look for without --counts.", 1, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Start of k-means.", 0, flag_values=FLAGS)
flags.DEFINE_string("json", None, "File to write the boxes to.", flag_values=FLAGS)


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    options = reading.parse(FLAGS, argv, ("data",))
    counts = parse_counts(options.counts) if options.counts else None
    if counts and options["num_sizes"].present:
        raise flags.Error(
            "`--num_sizes` must not come with --counts, which says it already. "
            f"Received: --num_sizes={options.num_sizes}."
        )
    from keras_struct.models.ssd import fit_default_boxes
    from keras_struct_tools.data_specs import open_spec
    from keras_struct_tools.output import write_json
    from keras_struct_tools.train_boxes import network_sizes

    dataset = open_spec(options.data, options.split)
    sizes, labels = network_sizes(dataset, options.image_size, options.resize)
    boxes, mean_iou = fit_default_boxes(
        sizes, counts, options.num_sizes, options.seed, labels=labels
    )
    print("level   width  height")
    for level, pairs in boxes.items():
        for width, height in pairs:
            print(f"{level:<5}{width:>8.1f}{height:>8.1f}")
    print(f"\n{len(sizes)} boxes of {len(dataset)} images, mean best IoU {mean_iou:.4f}")
    if options.json:
        write_json(options.json, {"default_boxes": boxes, "mean_best_iou": mean_iou})
    return 0


def parse_counts(texts: list[str]) -> dict[str, int]:
    """Read P3:4,P4:4 as {"P3": 4, "P4": 4}.

    Raises:
        absl.flags.Error: if a part is not LEVEL:COUNT.
    """
    counts = {}
    for text in texts:
        level, _, count = text.partition(":")
        if level[:1] != "P" or not level[1:].isdigit() or not count.isdigit() or int(count) < 1:
            raise flags.Error(
                "`--counts` must be LEVEL:COUNT, separated by commas, such as P3:4,P4:2. "
                f"Received: {text!r}."
            )
        counts[level] = int(count)
    return counts
