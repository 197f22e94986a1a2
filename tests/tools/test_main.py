"""Dispatch, help and errors of the command line: one line, the right exit code."""

import subprocess
import sys

import pytest

from keras_struct_tools import main


def test_overview_lists_every_command(command):
    for arguments, code in (([], 2), (["--help"], 0)):
        got, out, _ = command(*arguments)
        assert got == code
        assert all(name in out for name in main.COMMANDS)


def test_an_unknown_command_lists_the_known_ones(command):
    code, _, err = command("fly")
    assert code == 2 and "no command 'fly'" in err
    assert all(name in err for name in main.COMMANDS)


@pytest.mark.parametrize("name", list(main.COMMANDS))
def test_help_teaches_with_an_example_and_all_flags(command, name):
    module = __import__(f"keras_struct_tools.{name}", fromlist=[name])
    code, out, _ = command(name, "--help")
    assert code == 0 and f"keras-struct {name} --" in out
    for flag in module.FLAGS:
        assert f"--{flag}" in out or f"--[no]{flag}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "`--model` must be given"),
        (["train", "--modle=x"], "Unknown command line flag 'modle'"),
        (["train", "--epochs=0"], "epochs"),
        (["train", "stray"], "`stray` is not a flag"),
        (["evaluate", "--model=x"], "`--data` must be given"),
        (["evaluate", "--model=/no/where", "--data=shapes:1"], "There is no file /no/where"),
        (["predict", "--model=x", "--output=y"], "`--images` must be given"),
        (["predict", "--model=x", "--images=/none", "--output=y"], "`--images` must be image file"),
        (["export", "--model=x"], "`--target` or `--output` must be given"),
        (["export", "--model=x", "--output=a.bin"], "`--output` must end in the suffix"),
        (["export", "--model=x", "--target=onnx", "--output=a.tflite"], "must end in the suffix"),
        (["export", "--model=x", "--target=litert", "--precision=int8"], "`--calibration` must"),
        (["anchors", "--data=shapes:1", "--counts=P3"], "`--counts` must be LEVEL:COUNT"),
        (["anchors", "--data=what:1"], "`spec` must be one of"),
    ],
)
def test_usage_errors_are_one_line(command, arguments, message):
    code, out, err = command(*arguments)
    assert code == 2 and message in err
    assert err.startswith(f"keras-struct {arguments[0]}: ") and err.count("\n") == 1
    assert "Traceback" not in err + out


def test_other_failures_have_their_own_codes(command, monkeypatch):
    from keras_struct_tools import anchors

    for error, code in ((RuntimeError("no\nluck"), 1), (KeyboardInterrupt(), 130)):

        def fail(argv, error=error):
            raise error

        monkeypatch.setattr(anchors, "main", fail)
        got, _, err = command("anchors")
        assert got == code and err.count("\n") == 1
    with pytest.raises(KeyboardInterrupt):
        main.run(["anchors", "--traceback"])


def test_flags_are_forgotten_between_calls_and_do_not_clash(command):
    from keras_struct_tools import anchors, options

    options.parse(anchors.FLAGS, ["anchors", "--data=shapes:1", "--image_size=64"])
    options.parse(anchors.FLAGS, ["anchors", "--data=shapes:2"])
    assert anchors.FLAGS.data == "shapes:2" and anchors.FLAGS.image_size == 320


def test_usage_errors_come_without_tensorflow():
    code = "import sys; from keras_struct_tools.main import run; run(['train', '--help']); "
    code += "run(['train', '--modle=x']); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")
