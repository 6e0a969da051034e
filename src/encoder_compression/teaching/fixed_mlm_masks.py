"""Blocks of train whose MLM masks are the same in every epoch, with the logits of a teacher there, computed once."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from encoder_compression.data.features import IGNORED
from encoder_compression.training.mlm_masks import DynamicMlmMasks

FILE_NAME = "logits.arrow"  # a row per block of train: "tokens" and "logits", those of all its places behind each other


class FixedMlmMasks(DynamicMlmMasks):
    """The blocks of a corpus as their first epoch has them; with ``kept``, the teacher's largest logits [places, k] and their tokens.

    The file of ``kept`` is mapped into memory and not read into it, since that of a large corpus has gigabytes.
    """

    def __init__(self, dataset: Path, seed: int, kept: Path | None):
        super().__init__(dataset, seed)
        self.kept = pa.ipc.open_file(pa.memory_map(str(Path(kept) / FILE_NAME))).read_all() if kept else None

    def set_epoch(self, epoch: int) -> None:
        """Change nothing: all epochs are the first."""

    def __getitem__(self, index: int) -> dict:
        row = super().__getitem__(index)
        if self.kept is None:
            return row
        places = sum(label != IGNORED for label in row["labels"])
        tokens, logits = (self.kept[name][index].values.to_numpy().reshape(places, -1) for name in ("tokens", "logits"))
        return row | {"teacher_tokens": tokens.astype(np.int64), "teacher_logits": logits}
