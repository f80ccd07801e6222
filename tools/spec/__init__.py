"""Guards the spec: lint, format, breaking changes, and the images of its releases.

python3 -m tools.spec check      # everything below, as CI runs it
python3 -m tools.spec release    # write spec/releases/<VERSION>.binpb
"""
