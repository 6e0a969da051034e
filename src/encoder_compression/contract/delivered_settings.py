"""What predict.py must know of the delivered model: settings.json, from the artifact, its data set and its measurement."""

from pathlib import Path

from pyarrow import parquet

from encoder_compression.data import features, tasks
from encoder_compression.data.tasks import question_answering
from encoder_compression.encoders import encoder_facts, removed_heads
from encoder_compression.measurement.measure import ROUNDING
from encoder_compression.study.forms import FORM_OF_RUNTIME

FILE_NAME = "settings.json"  # as predict.py reads it
VERSION = 1
QUESTIONS = "question-answering"
THRESHOLDS = ("class_threshold", "recall_threshold", "null_threshold")  # that validation chose, where the study has them


def of_row(row: dict, *, experiment: str, device: dict, measurement: dict, batch_size: int) -> dict:
    """Return the settings of a row of the delivery, with its "variant", "seed", "artifact" and "dataset".

    ``device`` holds "name" and "options"; ``measurement`` is that of the row, ``batch_size`` gave its best throughput. Batches that move
    logits by more than rounding would change answers, so that inputs then run one by one; so do questions, whose windows are a batch.
    """
    artifact, description = Path(row["artifact"]), tasks.describe(row["dataset"])
    columns = parquet.read_schema(Path(row["dataset"]) / "test.parquet").names
    alone = measurement["batches_move_logits_by"] > ROUNDING or description["task"] == QUESTIONS
    settings = {
        "version": VERSION,
        "experiment": experiment,
        "variant": row["variant"],
        "seed": row["seed"],
        "task": description["task"],
        "folder": FORM_OF_RUNTIME[device["options"]["runtime"]],
        **device["options"],
        "max_length": description["max_length"],
        "pad_token_id": description["pad_token_id"],
        "token_types": features.INPUTS[1] in columns,
        "pair": "text_pair" in columns,
        "batch_size": 1 if alone else batch_size,
    }
    tuned = {name: measurement[name] for name in THRESHOLDS if name in measurement}
    return settings | tuned | _of_task(description) | of_runtime(artifact, device["options"]["runtime"], measurement)


def _of_task(description: dict) -> dict:
    """Return the names of the classes, or how questions are cut into windows."""
    if description["task"] == QUESTIONS:
        return {"stride": description["stride"], "longest_answer": question_answering.LONGEST_ANSWER}
    return {"labels": description["labels"]} if "labels" in description else {}


def of_runtime(artifact: Path, runtime: str, measurement: dict) -> dict:
    """Return which lengths get a graph of their own, or where attention heads lie that were removed."""
    if runtime == "openvino":
        return {"lengths": measurement["graphs_of_fixed_length"], "positions": encoder_facts.positions(artifact)}
    if runtime == "pytorch" and removed_heads.read(artifact):
        places = encoder_facts.architecture(artifact)
        names = ("layers", "per_head", "heads_attribute", "attention_output")
        return {"removed_heads": {name: getattr(places, name) for name in names}}
    return {}
