"""The edge package needs no framework: checked in fresh interpreters and in the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import keras_struct_edge

FRAMEWORKS = {"tensorflow", "keras", "jax", "torch"}
OURS = {"keras_struct", "keras_struct_export", "keras_struct_tools"}
LAZY = {"PIL", "tqdm", "cv2", "ai_edge_litert", "onnxruntime", "tensorrt", "tensorrt_rtx", "cuda"}


def modules_after(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code + "\nimport sys; print('\\n', *sys.modules)", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_import_brings_numpy_only():
    loaded = modules_after("import keras_struct_edge")
    assert "numpy" in loaded
    assert not loaded & (FRAMEWORKS | OURS | LAZY)


RUN = """
import sys, numpy, keras_struct_edge
image = numpy.full((40, 40, 3), 200, numpy.uint8)
found = keras_struct_edge.load(sys.argv[1])(image)
if len(found) != 5:
    raise SystemExit(f"five cells expected, got {found}")
found.draw(image)
found.to_json()
"""


def test_running_a_model_needs_no_framework(artefact):
    loaded = modules_after(RUN, str(artefact))
    assert {"numpy", "PIL", "keras_struct_edge"} <= loaded
    assert not loaded & (FRAMEWORKS | OURS)


def test_command_line_needs_no_framework(write, tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 40), "white").save(tmp_path / "white.png")
    code = (
        "import runpy, sys\n"
        "try: runpy.run_module('keras_struct_edge', run_name='__main__')\n"
        "except SystemExit as stop: print(stop.code)"
    )
    loaded = modules_after(code, str(write()), str(tmp_path / "white.png"))
    assert "ai_edge_litert" in loaded
    assert not loaded & (FRAMEWORKS | OURS)


@pytest.mark.parametrize("module", ["json", "PIL"])
def test_the_check_can_fail(module):
    assert module in modules_after(f"import {module}")
    with pytest.raises(subprocess.CalledProcessError):
        modules_after("import no_such_module")


def module_level_imports(path):
    """(line, top package) of absolute imports outside functions."""
    waiting = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name.split(".")[0]) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module.split(".")[0]
        elif not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def test_source_imports_only_the_standard_library_and_numpy():
    allowed = sys.stdlib_module_names | {"numpy"}
    root = Path(keras_struct_edge.__file__).parent
    offenders = [
        f"{path.relative_to(root)}:{line} {name}"
        for path in root.rglob("*.py")
        for line, name in module_level_imports(path)
        if name not in allowed
    ]
    assert not offenders


def test_the_source_scan_can_fail(tmp_path):
    (tmp_path / "bad.py").write_text("try:\n    import keras\nexcept ImportError:\n    pass\n")
    assert list(module_level_imports(tmp_path / "bad.py")) == [(2, "keras")]


def test_public_names():
    names = {name for name in dir(keras_struct_edge) if name[0] != "_" and name[0].isupper()}
    assert names == {"ArtefactError", "Detections", "Predictor", "Segmentation"}
    assert callable(keras_struct_edge.load)
