"""Trainings in processes of their own: killed and continued, and shared out."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from keras_struct import data
from keras_struct_tools import train

DRIVER = Path(__file__).with_name("tiny_run.py")
FLAGS = ["--data=shapes:8", "--batch_size=4", "--gallery=0", "--progress=none"]


def start(tiny_file, folder, *flags, **environment):
    command = [sys.executable, str(DRIVER), "train", f"--model={tiny_file}", f"--output={folder}"]
    return subprocess.Popen(
        [*command, *FLAGS, *flags],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process, code=0):
    output, _ = process.communicate(timeout=600)
    assert process.returncode == code, output[-3000:]
    return output


def state(folder):
    with np.load(folder / "state.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_kills_leave_no_trace_in_the_final_bits(tiny_file, tmp_path):
    """Killed while the second state is half written, then inside the third epoch."""
    flags = ["--epochs=3", "--deterministic", "--accumulate_steps=2", "--early_stopping=5"]
    whole = start(tiny_file, tmp_path / "whole", *flags)
    killed = tmp_path / "killed"
    finish(start(tiny_file, killed, *flags, KILL="backup:1"), -signal.SIGKILL)
    assert list(killed.glob(".state.*.tmp.npz"))
    finish(start(tiny_file, killed, *flags, KILL="2:0"), -signal.SIGKILL)
    assert "trained 3 epochs" in finish(start(tiny_file, killed, *flags))
    finish(whole)
    ours, expected = state(killed), state(tmp_path / "whole")
    assert ours.keys() == expected.keys() and len(ours) > 100
    for name, value in expected.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)
    assert not list(killed.glob(".*"))


def history(folder):
    return json.loads(str(state(folder)["state"]))["history"]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_two_devices_and_two_workers_take_the_same_steps(tiny_file, tmp_path):
    flags = ["--epochs=1", "--gallery=0"]
    mirrored = start(tiny_file, tmp_path / "one", *flags, "--strategy=mirrored", CPUS="2")
    workers = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    cluster = [
        start(
            tiny_file,
            tmp_path / "two",
            *flags,
            "--strategy=multiworker",
            TF_CONFIG=json.dumps({"cluster": workers, "task": {"type": "worker", "index": index}}),
        )
        for index in (0, 1)
    ]
    chief, other = [finish(process) for process in cluster]
    assert "trained 1 epochs" in chief and "trained" not in other
    finish(mirrored)
    ours, expected = history(tmp_path / "two"), history(tmp_path / "one")
    assert ours[0]["loss"] == pytest.approx(expected[0]["loss"], rel=1e-4)
    config = json.loads((tmp_path / "two" / "config.json").read_text())
    assert config["replicas"] == 2 and not list((tmp_path / "two").glob(".*"))


def test_a_batch_is_shared_out_evenly():
    with pytest.raises(ValueError, match="must be a multiple of the number of devices, 2. Rec.*=3"):
        train._steps(SimpleNamespace(batch_size=3), data.shapes(6), 2)
