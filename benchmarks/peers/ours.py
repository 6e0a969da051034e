"""This workflow's own candidates, with their recorded minutes: variants of a finished study, and a delivery of its search."""

import json
from pathlib import Path

from encoder_compression.errors import UserError
from encoder_compression.run import provenance
from peers.candidates import HERE, Candidate

IN_TABLE = "accuracy, change and agreement on test with intervals and verdicts, in the study's table"
CERTIFIED = "each clause of the contract on test with its one-sided 95 % bound, in a certificate"


def study_row(variant: str, study: Path, seed: int) -> Candidate:
    """Return the candidate that is a variant of a finished study, in ONNX Runtime."""
    artifact = study.resolve() / variant / f"seed{seed}" / "onnx"
    if not artifact.exists():
        raise UserError(f"{artifact}: there is no such artifact; make it first, or name other --variants")
    command = f"snakemake --cores all results/{study.name}/{variant}/seed{seed}/onnx"
    return Candidate(f"ours, {variant}", HERE, (command,), str(artifact), "onnx_graph", IN_TABLE, call="steps in the YAML of the study")


def delivered(folder: Path, command: str) -> Candidate:
    """Return the candidate that `encoder-compression compress` delivered by this command."""
    if not (folder / "settings.json").exists():
        raise UserError(f"{folder}: there is no settings.json, so this is no delivery; name results/{{experiment}}/delivery")
    return Candidate("ours, compress", HERE, (command,), str(folder.resolve()), "delivery", CERTIFIED)


def minutes(candidate: Candidate) -> float | None:
    """Return what making the artifact took by its records, from the fine-tuned teacher on; None of the teacher."""
    artifact = Path(candidate.artifact)
    if candidate.loader == "delivery":
        return json.loads((artifact.parent / "search.json").read_text(encoding="utf-8"))["seconds"] / 60
    return _seconds(artifact) / 60 if artifact.is_absolute() else None


def _seconds(artifact: Path) -> float:
    """Return the seconds of the jobs behind an artifact of a study, without those that made teacher, encoder and data set."""
    seed, study = artifact.parent, artifact.parents[2]
    given = {study / "base", study / "dataset", study / "teacher" / seed.name / "model"}
    pending, seconds = [artifact], {}
    while pending:
        folder = pending.pop()
        if folder in given or folder in seconds or not (folder / provenance.FILE_NAME).exists():
            continue
        record = provenance.read(folder)
        seconds[folder] = record["seconds"]
        pending += [study.parent.parent / name for name in record["inputs"]]
    return sum(seconds.values())
