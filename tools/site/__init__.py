"""Builds the documentation site by MkDocs, in an environment of its own.

python -m tools.site            # into build/site, with every warning as an error
python -m tools.site --serve    # on loopback, built again after each change

`hooks.py` adds the pages that are generated while the site is built: the contract with an anchor
for each rule, other documents of the repository, and the notebooks. `outside.py` finds pages that
would load anything from another host.
"""
