"""The keras-struct command."""

__version__ = "0.1.0"
