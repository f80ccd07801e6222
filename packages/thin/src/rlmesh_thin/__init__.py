"""The thin host: an environment server in one file, for simulators that need an old Python."""
