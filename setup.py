"""The keras-struct wheel: structured prediction for Keras 3."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="keras-struct",
    version="0.1.0",
    description="Structured prediction for Keras 3: from model.fit to a measured edge artefact.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["keras_struct", "keras_struct.*"]),
    install_requires=[
        "keras>=3.15,<4",
        "numpy>=1.26",
        "defusedxml>=0.7.1",
        "faster-coco-eval>=1.6,<2",
        "matplotlib>=3.8",
        "pillow>=10",
    ],
    extras_require={
        "cpu": ["tensorflow-cpu>=2.21,<2.22"],
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "jax": ["jax>=0.6"],
        "crf": ["numba>=0.61"],
        "cuts": ["scipy>=1.12"],
        "proposals": ["opencv-contrib-python-headless>=4.9"],
        "rcnn": ["scikit-learn>=1.4"],
        "tests": [
            "jax>=0.6",
            "hypothesis>=6.100",
            "numba>=0.61",
            "opencv-contrib-python-headless>=4.9",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "pre-commit>=4",
            "ruff>=0.12,<1",
            "scikit-learn>=1.4",
            "scipy>=1.12",
        ],
    },
)
