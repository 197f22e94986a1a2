"""`keras-struct export`: what its flags put into the file."""

from toy_labelling import NAMES, GreyLabels

from keras_struct_edge import load


def test_probabilities_beside_a_label_map(command, tmp_path):
    model = tmp_path / "grey.keras"
    GreyLabels(len(NAMES), (24, 32), class_names=NAMES).save(model)
    for flags, results in (((), ["segmentation"]), (("--probabilities",), ["probabilities"])):
        code, _, _ = command("export", f"--model={model}", "--target=onnx", *flags)
        assert code == 0
        assert load(tmp_path / "grey_float32.onnx").card["results"][-1:] == results


def test_probabilities_of_what_has_none(command, tiny_file, tiny_backbone, tmp_path):
    output = tmp_path / "a.onnx"
    code, _, error = command(
        "export", f"--model={tiny_file}", f"--output={output}", "--probabilities"
    )
    assert code == 2 and "models that give label maps. Received: a model for detection" in error
    assert not output.exists()
