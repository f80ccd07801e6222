"""The version of the thin host, which is that of the spec."""

__version__ = "1.0.0rc3"
