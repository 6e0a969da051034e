"""The teacher's largest logits at the hidden tokens of a corpus, computed once for all its students and all their epochs."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedModel

from encoder_compression.data.features import IGNORED
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.run import progress
from encoder_compression.statistics.finite import require_finite
from encoder_compression.teaching.fixed_mlm_masks import FILE_NAME, FixedMlmMasks
from encoder_compression.training.objectives import answer
from encoder_compression.training.trainer import Collator

BATCH_SIZE = 32


def predict_top_logits(*, teacher: Path, dataset: Path, seed: int, count: int, output: Path, name: str) -> dict:
    """Write ``output/logits.arrow``: at each place to guess in train the ``count`` largest logits, in float16, and their tokens.

    The teacher is frozen and in eval mode, and reads what `FixedMlmMasks` of the same seed gives to its students. Returns facts.
    UserError where one of them is not finite in float16.
    """
    model, collate = pretrained.load_model(teacher).eval(), Collator(encoder_facts.load_tokenizer(teacher))
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    blocks = FixedMlmMasks(dataset, seed, None)
    kinds = {"tokens": np.uint16 if model.config.vocab_size <= 2**16 else np.int32, "logits": np.float16}
    schema = pa.schema({name: pa.list_(pa.from_numpy_dtype(kind)) for name, kind in kinds.items()})
    Path(output).mkdir(parents=True, exist_ok=True)
    with (
        pa.ipc.new_file(Path(output) / FILE_NAME, schema) as file,
        torch.inference_mode(),
        progress.bar(len(blocks), description=name, unit="block") as bar,
    ):
        for start in range(0, len(blocks), BATCH_SIZE):
            rows = [blocks[index] for index in range(start, min(start + BATCH_SIZE, len(blocks)))]
            largest = _largest(model, collate(rows), count)
            remedy = "train it anew with a lower learning_rate, or take 'top_logits' out, which keeps them in float16"
            require_finite(largest["logits"][0].half(), source=f"the teacher {teacher}", remedy=remedy)
            file.write_batch(pa.record_batch([_lists(*largest[name], kind) for name, kind in kinds.items()], schema))
            bar.update(len(rows))
    return {"blocks": len(blocks), "kept_logits": count}


def _largest(model: PreTrainedModel, batch: dict[str, torch.Tensor], count: int) -> dict[str, tuple[torch.Tensor, list[int]]]:
    """Return tokens and logits [places, count] of a batch, each with how many of its places are before the end of each block."""
    batch = {name: values.to(model.device) for name, values in batch.items()}
    top = pretrained.logits(answer(model, batch))[0].topk(count)
    ends = (batch["labels"] != IGNORED).sum(dim=1).cumsum(dim=0).tolist()
    return {"tokens": (top.indices, ends), "logits": (top.values, ends)}


def _lists(values: torch.Tensor, ends: list[int], kind: type) -> pa.ListArray:
    """Return a list for each block: the rows that end at its end, behind each other."""
    offsets = np.array([0, *ends], np.int32) * values.shape[-1]
    return pa.ListArray.from_arrays(offsets, values.cpu().numpy().astype(kind).reshape(-1))
