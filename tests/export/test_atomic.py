"""An artefact is whole or absent."""

import errno
import os

import pytest

from keras_struct_export import ExportError, atomic, export
from keras_struct_export.atomic import replacing, write


def test_takes_the_place_of_the_old_file(tmp_path):
    path = tmp_path / "deeper" / "a.engine"
    for text in (b"old", b"new"):
        with replacing(path, (".json",)) as temporary:
            assert temporary.parent == path.parent and temporary.suffix == ".engine"
            write(temporary, text)
            write(temporary.with_name(temporary.name + ".json"), text)
        assert path.read_bytes() == text
    assert sorted(os.listdir(path.parent)) == ["a.engine", "a.engine.json"]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), replacing(path) as temporary:
        write(temporary, b"half")
        raise KeyError("something went wrong")
    assert os.listdir(tmp_path) == ["a.onnx"] and path.read_bytes() == b"old"


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "a.onnx"
    with pytest.raises(ExportError, match="`path` must be writable"), replacing(path):
        pass


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_disk_full(toy, images, tmp_path, monkeypatch, suffix):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(ExportError, match="No space left on device. Free space"):
        export(toy, tmp_path / f"a{suffix}", decoder=False, samples=images, progress=None)
    assert os.listdir(tmp_path) == []


def test_disk_full_at_the_rename(tmp_path, monkeypatch):
    def fail(source, destination):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "replace", fail)
    with pytest.raises(ExportError, match="No space left"), replacing(tmp_path / "a") as temporary:
        write(temporary, b"all")
    assert os.listdir(tmp_path) == []
