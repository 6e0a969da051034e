"""Weights in fewer bytes: the standard file after zstandard (RFC 8878), how it is written, counted and read back; without torch.

Zeros shrink to nothing there; what is left of the other weights' mantissas is noise that nothing shrinks.
"""

import shutil
from pathlib import Path

import pyarrow

from encoder_compression.data.sources.encoder import TOKENIZER_FILES
from encoder_compression.encoders.encoder_facts import WEIGHTS
from encoder_compression.errors import UserError

FILE_NAME = f"{WEIGHTS}.zst"
LEVEL = 9  # on pruned MiniLMs 1 to 3 % smaller than level 3; level 19 took some 60 times as long for 2.5 % more


def compress(*, model: Path, output: Path) -> dict:
    """Write the compressed weights of a model, its config and its tokenizer to ``output``; returns facts, sizes in bytes.

    Raises RuntimeError where what is read back is not the model's file, bit for bit.
    """
    model, output = Path(model), Path(output)
    output.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", *TOKENIZER_FILES):
        if (model / name).exists():
            shutil.copyfile(model / name, output / name)
    content = (model / WEIGHTS).read_bytes()
    (output / FILE_NAME).write_bytes(_frame(content))
    if read(output) != content:
        raise RuntimeError(f"the weights read back from {output / FILE_NAME} are not those of {model / WEIGHTS}")
    return {"bytes": (output / FILE_NAME).stat().st_size, "bytes_before": len(content)}


def size(file: Path) -> int:
    """Return the bytes that a file of weights or a graph has after the same compression."""
    return _frame(Path(file).read_bytes()).size


def read(folder: Path) -> bytes:
    """Return the content of the model.safetensors that was compressed; UserError where its file is damaged or missing."""
    file = Path(folder) / FILE_NAME
    try:
        with pyarrow.input_stream(file) as stream:
            content = stream.read()
    except OSError as error:
        raise _damaged(file, " ".join(str(error).split())) from None
    if not content:  # an empty file is a stream of no frames
        raise _damaged(file, "it is empty")
    return content


def _frame(content: bytes) -> pyarrow.Buffer:
    """Return one zstandard frame, which `zstd -d` reads."""
    return pyarrow.Codec("zstd", compression_level=LEVEL).compress(content)


def _damaged(file: Path, reason: str) -> UserError:
    return UserError(f"'{file}' cannot be read: {reason}; copy it again, or delete its folder and run the workflow")
