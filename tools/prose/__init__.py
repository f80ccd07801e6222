"""Measures the prose of docstrings, comments and documents, and checks what docstrings begin with.

python -m tools.prose              # rates, worst files, and faults of docstrings
python -m tools.prose --files      # every hit, with its file and line
python -m tools.prose FOLDER ...   # some files or folders only

`habits.py` defines the habits that are counted and their limits, in hits per 1,000 words;
`verbs.py` lists the words that a function's docstring may begin with, and checks that "Return" and
"Yield" fit the function; `references.py` checks that what a docstring refers to exists.
"""
