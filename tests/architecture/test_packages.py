"""Arrows between the four packages; see "The rooms" in docs/design.md."""

import pytest
from source_scan import PACKAGES, Source, imports, package_sources

ALLOWED = {
    "keras_struct": {"keras_struct"},
    "keras_struct_edge": {"keras_struct_edge"},
    "keras_struct_export": {"keras_struct_export", "keras_struct", "keras_struct_edge"},
    "keras_struct_tools": set(PACKAGES),
}
FRAMEWORKS = {"tensorflow", "keras", "jax", "torch", "tf2onnx", "onnx"}


def arrow_offenders(sources, allowed):
    offenders = []
    for source in sources:
        for found in imports(source):
            top = found.target.partition(".")[0]
            if top in PACKAGES and top not in allowed:
                offenders.append(f"{source.path}:{found.line} imports {top}")
    return offenders


def framework_offenders(sources):
    return [
        f"{source.path}:{found.line} imports {found.target}"
        for source in sources
        for found in imports(source)
        if found.target.partition(".")[0] in FRAMEWORKS
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_along_the_arrows_only(package):
    assert package_sources(package), package
    assert arrow_offenders(package_sources(package), ALLOWED[package]) == []


def test_edge_names_no_framework_not_even_inside_a_function():
    assert framework_offenders(package_sources("keras_struct_edge")) == []


def test_the_arrow_check_can_fail():
    text = "def f():\n    from keras_struct.ops import boxes\n"
    source = Source("edge/a.py", "keras_struct_edge.a", text)
    expected = ["edge/a.py:2 imports keras_struct"]
    assert arrow_offenders([source], ALLOWED["keras_struct_edge"]) == expected


def test_the_framework_check_can_fail():
    source = Source("a.py", "keras_struct_edge.a", "try:\n    import tensorflow.lite\nfinally: 0\n")
    assert framework_offenders([source]) == ["a.py:2 imports tensorflow.lite"]
