"""A short measurement on the validation split, by which a search chooses what to train and to measure: test stays unread."""

import json
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from encoder_compression.data import tasks
from encoder_compression.export import contents
from encoder_compression.measurement.foreign_load import ForeignLoad
from encoder_compression.measurement.remote import RemoteWorker, started
from encoder_compression.measurement.rounds import take_turns
from encoder_compression.run import progress

SPLIT = "validation"


def screen(*, artifact: Path, device: dict, dataset: Path, options: dict, measurement: Path, predictions: Path, name: str) -> dict:
    """Write single calls of one start, memory and size to ``measurement``, and predictions one at a time to ``predictions``; returns facts.

    Both are about the validation split and have the form of a measured row's files, without what only such a row is asked for.
    """
    artifact, dataset, options = Path(artifact), Path(dataset), options | {"launches": 1}
    with (
        started([(artifact, device, dataset)], split=SPLIT) as (subject,),
        progress.bar(options["rounds"] + 1, description=name, unit="round") as bar,
    ):
        load = ForeignLoad([subject])
        launch = take_turns([subject], options, 0, bar) | {"foreign_cpu_share": load.share()}
        for size in options["throughput"]["batch_sizes"]:  # a measured row's memory is that of its batches, too
            subject.ask("throughput", batch_size=size, examples=options["throughput"]["examples"])
        facts = subject.ask("facts") | contents.describe(artifact)
        parquet.write_table(pa.table(_predict(subject, dataset, options["metric"])), predictions)
        bar.update()
    written = facts | {"launches": [launch], "device": device, "timed_as": None}
    Path(measurement).write_text(json.dumps(written) + "\n", encoding="utf-8")
    return {"metric": options["metric"], "largest_foreign_cpu_share": launch["foreign_cpu_share"]}


def _predict(subject: RemoteWorker, dataset: Path, metric: str) -> dict:
    """Return the predictions, with the threshold that they choose themselves where the task has one."""
    task, description = tasks.of_dataset(dataset), tasks.describe(dataset)
    predicted = subject.ask("predict", batch_size=None, split=SPLIT)
    return task.tune(predicted, predicted, metric)[0] if task.is_tuned(description) else predicted
