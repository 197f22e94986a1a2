"""What a table of times means nothing without: the machine and the versions."""

import ctypes
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "keras-struct",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "ai-edge-litert",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-rtx",
    "numpy",
    "pillow",
)


def cpu_name() -> str:
    """Return the processor's name as the operating system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def gpu_name() -> str | None:
    """Return the name of the first NVIDIA GPU the driver offers, or None without one."""
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return None
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value < 1:
        return None
    name = ctypes.create_string_buffer(128)
    if driver.cuDeviceGetName(name, 128, 0):
        return "NVIDIA GPU"
    return name.value.decode("utf-8", "replace")


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that take part, by their names."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def operating_system() -> str:
    """Return the name of the system a user would give, for example `Debian GNU/Linux 12`."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def describe_machine() -> dict:
    """Return processor, cores, memory (GiB), GPU, system, Python and versions."""
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_gib": memory,
        "gpu": gpu_name(),
        "os": operating_system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": versions(),
    }
