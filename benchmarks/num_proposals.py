"""How many proposals are worth their time? Speed and accuracy of one model with fewer of them.

The same weights with 10, 50, 100 and 300 proposals at rest: time of the LiteRT float32 artefact on
one image, in turns, and the validation accuracy of the Keras model. The question and the shape of
the answer are those of Huang et al. 2017, arXiv:1611.10012, section 4.1.6 and figure 8.

    python benchmarks/num_proposals.py --model=runs/cells --data=voc:cells/

About 5 minutes on 2 cores for 100 images.
"""

import argparse

from region_stages import CLOCKS, medians, runner

from keras_struct import data, training
from keras_struct_tools.measure_artefacts import model_file
from keras_struct_tools.model_files import load_keras

ROW = "{:>10} {:>10} {:>10} {:>10} {:>10}"


def with_proposals(model, count):
    """The model with another number of proposals at rest."""
    config = model.get_config()
    config["num_proposals"] = [config["num_proposals"][0], count]
    other = type(model).from_config(config)
    other.set_weights(model.get_weights())
    return other


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="run folder or .keras file")
    parser.add_argument("--data", required=True, help="as of keras-struct evaluate")
    parser.add_argument("--split", default="val")
    parser.add_argument("--counts", default="10,50,100,300", help="proposals, by commas")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    options = parser.parse_args()
    model = load_keras(model_file(options.model))
    dataset = data.open(options.data, options.split)
    counts = [int(count) for count in options.counts.split(",")]
    tried = {count: with_proposals(model, count) for count in counts}
    image = next(iter(dataset.batches(1, model.image_size, resize=model.resize, shuffle=False)))[0]
    runners = {count: runner(each.with_decoder(), 1) for count, each in tried.items()}
    times = medians(runners, image.numpy(), options.runs, CLOCKS[options.clock])
    print(ROW.format("proposals", "ms", "of most", "mAP@0.5", "COCO mAP"))
    for count, each in tried.items():
        found = training.evaluate(each, dataset)
        prefix = "mask_" if each.mask_branch is not None else ""
        print(
            ROW.format(
                count,
                f"{times[count]:.1f}",
                f"{times[count] / times[counts[-1]]:.2f}",
                f"{found[f'{prefix}mAP_50']:.4f}",
                f"{found[f'{prefix}mAP']:.4f}",
            )
        )


if __name__ == "__main__":
    main()
