"""How an artifact is loaded and asked, a module per kind: `load(artifact, inputs)` returns what has `read`, `classify` and `files`.

`read(text)` makes of a text what the model takes, and `classify` makes a label of that. `read` is None where the label comes of the text in
one call. `files` are all that an answer needs.
"""
