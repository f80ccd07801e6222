"""The pinned requirements: requirements/*.in compiled to *.txt."""
