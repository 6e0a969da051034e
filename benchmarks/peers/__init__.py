"""What a user would pick in place of this workflow, each in an environment of its own; `peer_comparison.py` beside this folder runs it."""
