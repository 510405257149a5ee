"""The version, stated once: it is the last key of every signature."""

__version__ = "0.1.0"
