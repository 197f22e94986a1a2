"""`keras-struct benchmark` from its flags to its files and exit code."""

import json

import pytest
from absl import flags
from toy_artefact import SHAPE_NAMES, write_toy
from toy_labelling import NAMES, GreyLabels, grey_shapes

from keras_struct_tools import benchmark, main
from keras_struct_tools.measure_artefacts import export_artefact

QUICK = ("--warmup=0", "--runs=2", "--rounds=1", "--images=3")


def command(*arguments):
    return main.run(["benchmark", "--data=shapes:3", *QUICK, *arguments])


def test_given_files_are_measured_and_one_broken_file_costs_one_row(tmp_path, capsys):
    good = write_toy(tmp_path / "good.onnx", SHAPE_NAMES)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a model")
    report, figures = tmp_path / "report.html", tmp_path / "figures.json"
    code = command(f"--model={good}", f"--model={bad}", f"--report={report}", f"--json={figures}")
    assert code == 1
    document = json.loads(figures.read_text())
    rows = {row["model"]: row for row in document["rows"]}
    assert rows["good"]["status"] == "ok" and rows["good"]["latency"]["end_to_end"]["runs"] == 2
    assert rows["bad"]["status"] == "failed" and "bad.onnx" in rows["bad"]["reason"]
    assert document["data"]["images"] == 3
    assert document["data"]["class_names"] == SHAPE_NAMES
    assert document["machine"]["cpu"] and document["machine"]["versions"]["onnxruntime"]
    assert document["method"] == {
        "warmup": 0, "runs": 2, "rounds": 1, "threads": [1], "batch_size": 1
    }  # fmt: skip
    page = report.read_text()
    assert page.count("data:image/jpeg;base64,") == 3 and f"--model={good}" in page
    printed = capsys.readouterr().out
    assert "end to end" in printed and "! bad · ONNX unknown: ArtefactError" in printed


def test_a_good_file_alone_exits_with_zero(tmp_path):
    good = write_toy(tmp_path / "good.onnx", SHAPE_NAMES)
    assert command(f"--model={good}") == 0
    assert [file.name for file in tmp_path.iterdir()] == ["good.onnx"]


def test_a_model_is_exported_measured_and_compared_with_itself(tmp_path, monkeypatch):
    import keras_struct as ks
    import keras_struct_export

    options = {"num_classes": 6, "image_size": 64, "class_names": tuple(SHAPE_NAMES)}
    ks.models.create("ssd_mobilenet_v1_025", **options).save(tmp_path / "cells.keras")
    export = keras_struct_export.export

    def fails_for_float16(model, path, target, precision, **options):
        if precision == "float16":
            raise RuntimeError("no float16 today")
        return export(model, path, target=target, precision=precision, **options)

    monkeypatch.setattr(keras_struct_export, "export", fails_for_float16)
    figures = tmp_path / "figures.json"
    code = command(
        f"--model={tmp_path / 'cells.keras'}", "--precisions=float32,float16",
        f"--json={figures}", f"--output={tmp_path / 'kept'}",
    )  # fmt: skip
    rows = json.loads(figures.read_text())["rows"]
    assert code == 1
    assert [(row["target"], row["precision"], row["status"]) for row in rows] == [
        ("keras", "float32", "ok"), ("litert", "float32", "ok"), ("litert", "float16", "failed"),
    ]  # fmt: skip
    assert rows[2]["reason"] == "export failed: RuntimeError: no float16 today"
    assert all("decode" in row["latency"] for row in rows[:2])
    assert rows[0]["accuracy"]["mAP"] == pytest.approx(rows[1]["accuracy"]["mAP"], abs=0.01)
    assert rows[0]["peak_memory_mb"] > 2 * rows[1]["peak_memory_mb"]  # TensorFlow against LiteRT
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == [
        "cells-litert-float32-network.tflite", "cells-litert-float32.tflite",
    ]  # fmt: skip


def test_label_maps_from_a_model_to_the_report(tmp_path, monkeypatch):
    model = GreyLabels(len(NAMES), (48, 64), class_names=NAMES)
    model.save(tmp_path / "grey.keras")
    monkeypatch.setattr(benchmark, "open_spec", lambda spec, split: grey_shapes(3))
    report, figures = tmp_path / "report.html", tmp_path / "figures.json"
    code = command(
        f"--model={tmp_path / 'grey.keras'}", "--nokeras", "--precisions=float32,int8",
        f"--report={report}", f"--json={figures}",
    )  # fmt: skip
    document = json.loads(figures.read_text())
    assert code == 0 and document["task"] == "segmentation"
    assert document["accuracy"] == {"headline": "mIoU", "names": ["mIoU", "pixel_accuracy"]}
    exact, rounded = document["rows"]
    assert exact["accuracy"] == {"mIoU": 1.0, "pixel_accuracy": 1.0}
    assert rounded["accuracy"]["pixel_accuracy"] > 0.9
    page = report.read_text()
    assert page.count("data:image/png;base64,") == 3 * 3  # two artefacts and the annotation


def test_an_engine_that_cannot_run_here_needs_no_network(tmp_path, monkeypatch):
    import keras_struct_export
    from keras_struct_tools import measure_artefacts

    written = []

    def fake(model, path, **options):
        path.write_bytes(b"x")
        written.append((path.name, options["decoder"], "calibration" in options))

    monkeypatch.setattr(keras_struct_export, "export", fake)
    monkeypatch.setattr(measure_artefacts, "layer_precisions", lambda path: {"TOPK": {"FLOAT": 1}})

    class Model:
        def card(self):
            return {"task": "detection"}

    pair = ("tensorrt", "int8")
    engine = export_artefact(Model(), "cells", pair, tmp_path, lambda: [], runs=False)
    assert written == [
        ("cells-tensorrt-int8.engine", True, True), ("cells-onnx-int8.onnx", True, True),
    ]  # fmt: skip
    assert engine.network is None and engine.layers == {"TOPK": {"FLOAT": 1}}
    export_artefact(Model(), "cells", pair, tmp_path, lambda: [], runs=True)
    assert written[2:] == [
        ("cells-tensorrt-int8.engine", True, True),  # the ONNX file is there already
        ("cells-tensorrt-int8-network.engine", False, True),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data=shapes:3"], "`--model` must be given"),
        (["--model=a.keras"], "`--data` must be given"),
        (["--targets=onnx,tflite"], r"`--targets` must be made of .*There is no 'tflite'"),
        (["--precisions=half"], r"`--precisions` must be made of .*There is no 'half'"),
        (["--threads=1,0"], r"`--threads` must be numbers of at least 1.*--threads=1,0"),
        (["--threads="], "`--threads` must be numbers"),
        (["--report=nowhere/report.html"], "`--report` must be in a folder that exists"),
        (["runs/cells"], "`runs/cells` is not a flag"),
        (["--runs=0"], "runs"),
    ],
)
def test_wrong_flags_are_named(arguments, message):
    given = [] if "must be given" in message else ["--model=a.keras", "--data=shapes:3"]
    with pytest.raises(flags.Error, match=message):
        benchmark.parse(["benchmark", *given, *arguments])


def test_a_wrong_model_exits_with_two(tmp_path, capsys):
    assert command(f"--model={tmp_path / 'none.keras'}") == 2
    assert "There is no file" in capsys.readouterr().err


def test_a_damaged_model_costs_its_own_row(tmp_path, capsys):
    (tmp_path / "torn.keras").write_bytes(b"torn")
    good = write_toy(tmp_path / "good.onnx", SHAPE_NAMES)
    assert command(f"--model={tmp_path / 'torn.keras'}", f"--model={good}") == 1
    printed = capsys.readouterr().out
    assert "! torn · Keras float32: cannot be loaded" in printed
    assert "good" in printed


def test_help_lists_the_flags(capsys):
    assert main.run(["benchmark", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "--targets" in printed and "--report" in printed
