r"""Give a trained R-CNN or SPPnet its published last layers: linear SVMs and ridge regressions.

    keras-struct train --model=rcnn_mobilenet_v2 --data=voc:cells/ --proposals=proposals.npz \
        --output=runs/rcnn
    keras-struct fit_heads --model=runs/rcnn --data=voc:cells/ --proposals=proposals.npz \
        --output=runs/rcnn_svm.keras

The model written is evaluated and exported as any other. It needs scikit-learn:
pip install keras-struct[rcnn].
"""

from pathlib import Path

from absl import flags

from keras_struct_tools import options as reading
from keras_struct_tools.data_specs import DATA_FORMS

FLAGS = flags.FlagValues()
flags.DEFINE_string("model", None, "Run folder or .keras file, fine-tuned.", flag_values=FLAGS)
flags.DEFINE_string("data", None, f"Data it was trained on: {DATA_FORMS}.", flag_values=FLAGS)
flags.DEFINE_string("split", "train", "Split of --data.", flag_values=FLAGS)
flags.DEFINE_string("proposals", None, "File of `keras-struct propose`.", flag_values=FLAGS)
flags.DEFINE_string("output", None, ".keras file to write.", flag_values=FLAGS)
flags.DEFINE_integer("batch_size", 2, "Images at a time.", 1, flag_values=FLAGS)


def main(argv: list[str]) -> int:
    """Run the command; return its exit code."""
    options = reading.parse(FLAGS, argv, ("model", "data", "proposals", "output"))
    path = Path(options.output)
    if path.suffix != ".keras":
        raise flags.Error(f"`--output` must be a .keras file. Received: --output={path}.")
    from keras_struct.training import fit_linear_heads
    from keras_struct.training.files import replacing
    from keras_struct_tools.data_specs import open_spec, with_proposals
    from keras_struct_tools.measure_artefacts import model_file
    from keras_struct_tools.model_files import load_keras

    model = load_keras(model_file(options.model))
    dataset = with_proposals(open_spec(options.data, options.split), options.proposals, model)
    fit_linear_heads(model, dataset, options.batch_size)
    with replacing(path) as temporary:
        model.save(temporary)
    print(f"{path}: linear heads fitted on {len(dataset)} images.")
    return 0
