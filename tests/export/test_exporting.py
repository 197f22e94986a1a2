"""The function `export`: its checks, what it says, and what it leaves behind."""

import os

import keras
import numpy as np
import pytest

from keras_struct_export import ExportError, Tolerance, export
from keras_struct_export import card as cards
from keras_struct_export.frozen import as_results


def go(model, folder, **options):
    return export(model, folder / "a.tflite", progress=None, **{"decoder": False, **options})


@pytest.mark.parametrize("batch_size", [0, -1, 1.0, True])
def test_batch_size(toy, tmp_path, batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer or None"):
        go(toy, tmp_path, batch_size=batch_size)


def test_int8_needs_calibration(toy, tmp_path):
    with pytest.raises(ValueError, match="`calibration` must be given for precision 'int8'"):
        go(toy, tmp_path, precision="int8")


def test_model_without_card(tmp_path):
    inputs = keras.Input((4,))
    with pytest.raises(TypeError, match=r"`model` must have a method card\(\).*Functional"):
        go(keras.Model(inputs, inputs), tmp_path)


def test_model_without_decoder(toy, tmp_path):
    class Network:
        card = toy.card

    with pytest.raises(TypeError, match=r"`model` must have a method with_decoder\(\).*Network"):
        go(Network(), tmp_path, decoder=True)


def test_card_that_is_no_dict(tmp_path):
    class Wrong:
        def card(self):
            return "detection"

    with pytest.raises(TypeError, match=r"`model.card\(\)` must return a dict. Received: str"):
        go(Wrong(), tmp_path)


def test_card_that_lacks_a_field(toy, tmp_path):
    class Wrong:
        def card(self):
            return {k: v for k, v in toy.card().items() if k != "class_names"}

    with pytest.raises(ValueError, match="`class_names` is missing"):
        go(Wrong(), tmp_path)


def test_card_that_promises_too_much(toy_class, tmp_path):
    class Boasting(toy_class):
        def card(self):
            card = super().card()
            return {**card, "results": [*card["results"], "masks"]}

    with pytest.raises(ExportError, match=r"must give all results of the card.*\['masks'\]"):
        go(Boasting(), tmp_path, decoder=True)


def test_model_that_does_not_run(toy_class, tmp_path):
    class Failing(toy_class):
        def __call__(self, images, training=False):
            raise ArithmeticError("no such image")

    with pytest.raises(ExportError, match=r"(?s)input of shape \(1, 64, 64, 3\).*no such"):
        go(Failing(), tmp_path)


def test_an_artefact_that_differs_is_refused_with_the_numbers(toy, tmp_path):
    strict = Tolerance(box=0.0, score=0.0, agreement=1.0, dense=0.0)
    with pytest.raises(ExportError, match=r"must agree.*Tolerance\(.*raw outputs \d.*e-0"):
        go(toy, tmp_path, tolerance=strict)
    assert os.listdir(tmp_path) == []


def test_an_artefact_that_does_not_run_is_refused(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "encode", lambda card: b"not json")
    with pytest.raises(ExportError, match="written but does not run: .*card"):
        go(toy, tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_artefact_with_other_results_is_refused(toy, tmp_path, monkeypatch):
    def fewer(predictor, images):
        return {"box_deltas": np.zeros((8, 1, 1), "float32")}

    monkeypatch.setattr("keras_struct_export.verify.run_artefact", fewer)
    with pytest.raises(ExportError, match="gives other results than the model"):
        go(toy, tmp_path)


def test_it_says_its_steps_and_nothing_else_reaches_the_console(toy, tmp_path, capfd):
    said = []
    report = export(toy, tmp_path / "a.tflite", decoder=False, progress=said.append)
    assert [line.split(":")[0] for line in said[:3]] == [
        "traced the model",
        "converted to LiteRT",
        "compared with Keras",
    ]
    assert str(report.path) in said[-1] and "MB" in said[-1]
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == ["a.tflite"]


def test_it_prints_by_default(toy, tmp_path, capsys):
    export(toy, tmp_path / "a.tflite", decoder=False)
    assert "converted to LiteRT: " in capsys.readouterr().out


def test_nothing_to_compare_is_said(toy_class, images, tmp_path):
    model, said = toy_class(), []
    model.with_decoder = lambda: _silent(toy_class.with_decoder(model))
    export(model, tmp_path / "a.tflite", samples=images[:1], progress=said.append)
    assert said[-1].startswith("Nothing was detected")


def _silent(network):
    network.get_layer("decoder").score_threshold = 1.0
    images = keras.Input((64, 64, 3), name="images")
    results = network.get_layer("decoder")(keras.Model(network.input, _raw(network))(images))
    return keras.Model(images, results)


def _raw(network):
    # the decoder's own inputs
    tensors = network.get_layer("decoder")._inbound_nodes[0].input_tensors
    return {"box_deltas": tensors[0], "class_logits": tensors[1]}


@pytest.mark.parametrize(
    ("outputs", "names"), [({"a": 1}, ["a"]), ([1, 2], ["output_0", "output_1"]), (5, ["output"])]
)
def test_names_of_raw_outputs(outputs, names):
    assert list(as_results(outputs)) == names
