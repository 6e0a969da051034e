"""Measure a delivery anew, on this machine and on other data, and say clause by clause whether its contract still holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from encoder_compression.contract import fresh_data
from encoder_compression.contract.certificate import FILE_NAME, STATUS, VERDICTS
from encoder_compression.contract.fresh_clauses import NOT_MEASURED, Fresh, clauses
from encoder_compression.errors import UserError
from encoder_compression.export import contents
from encoder_compression.reporting import gate_words
from encoder_compression.reporting.gate_content import verdict_of
from encoder_compression.run import environment, provenance
from encoder_compression.run.environment import ALLOCATOR_SETTINGS, PROCESS_SETTINGS, THREAD_VARIABLES

LAUNCHES, WARMUP, CALLS = 3, 10, 150
BUSY = 0.1  # of the machine's processor time, taken by others


def verify(delivery: Path, *, data: Path, text: str | None, text_pair: str | None, label: str | None) -> int:
    """Print a line for each clause of a delivery as it is here, and return the status of their verdict, as `gate_check.check` does.

    UserError where the folder is no whole delivery, or the data are not for its task.
    """
    delivery = Path(delivery)
    certificate = read_certificate(delivery)
    examples = fresh_data.read(data, certificate, text=text, text_pair=text_pair, label=label)
    launches = [_launch(delivery, examples.inputs, certificate, predict=number == 0) for number in range(LAUNCHES)]
    size_mb = contents.describe(delivery / certificate["delivered"]["folder"])["size_mb"]
    fresh = Fresh(certificate, examples.labels, launches[0]["predictions"], launches, size_mb)
    judged = clauses(fresh)
    verdict = VERDICTS[verdict_of([clause["verdict"] for clause in judged])]
    row = {"variant": certificate["delivered"]["variant"], "device": certificate["device"]["name"], "clauses": judged}
    notes = [*_left_out(certificate), *_machines(certificate), *_busy(launches)]
    print(_head(fresh, Path(data)), *gate_words.lines(row), *notes, sep="\n")
    print(f"{verdict}: the certificate says {certificate['verdict']}")
    return STATUS[verdict]


def read_certificate(delivery: Path) -> dict:
    """Return the content of certificate.json; UserError where a file that it names is another one."""
    path = delivery / FILE_NAME
    remedy = "name the folder delivery/ of an experiment with a contract, whole as it was written"
    try:
        certificate = json.loads(path.read_text(encoding="utf-8"))
        named = certificate["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: it is no certificate ({type(error).__name__}); {remedy}") from error
    changed = [name for name, held in named.items() if not (delivery / name).is_file() or provenance.fingerprint(delivery / name) != held]
    if changed:
        raise UserError(f"{delivery / changed[0]}: it is not the file that was certified; {remedy}")
    return certificate


def _launch(delivery: Path, inputs: list, certificate: dict, *, predict: bool) -> dict:
    """Return what a fresh process of the delivery's own code measures."""
    kept = {name: value for name, value in (os.environ | PROCESS_SETTINGS).items() if name not in ALLOCATOR_SETTINGS}
    threads = dict.fromkeys(THREAD_VARIABLES, str(certificate["device"]["threads"]))
    done = subprocess.run(
        [sys.executable, "-m", "encoder_compression.contract.remeasure"],
        input=json.dumps({"inputs": inputs, "warmup": WARMUP, "calls": CALLS, "predict": predict}),
        cwd=delivery,
        env=kept | threads,
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise UserError(f"{delivery}/predict.py: it failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise UserError(answer["error"])
    return answer


def _head(fresh: Fresh, data: Path) -> str:
    """Return the score with its interval, and what calls take here, beside the certificate's."""
    low, high = fresh.interval
    here = np.median(np.concatenate([launch["latencies_ms"] for launch in fresh.launches]))
    whole = np.median(np.concatenate([launch["end_to_end_ms"] for launch in fresh.launches]))
    then = fresh.certificate["figures"]
    name = fresh.certificate["metric"].replace("_", " ")
    score = f"{name} {fresh.score:.1%} ({low:.1%}–{high:.1%}), certified {then['score']:.1%}"
    times = f"p50 {here:.2f} ms, end-to-end {whole:.2f} ms, certified {then['latency_ms_p50']:.2f} ms"
    return f"{data}: {len(fresh.labels):,} {fresh.certificate['unit']}s: {score}; {times}; size {fresh.size_mb:.3g} MB"


def _left_out(certificate: dict) -> list[str]:
    """Return a line for each clause that needs what is not delivered."""
    names = [clause for clause in certificate["clauses"] if clause["clause"] in NOT_MEASURED]
    return [f"{gate_words.title(clause)}: not measured, as {NOT_MEASURED[clause['clause']]}" for clause in names]


def _machines(certificate: dict) -> list[str]:
    """Return that the machine is another one, if it is."""
    here, then = environment.hardware(), certificate["machine"]
    if (here["processor"], here["cores"]) == (then["processor"], then["cores"]):
        return []
    return [f"this machine is {here['processor']}, {here['cores']} cores; the certificate is of {then['processor']}, {then['cores']} cores"]


def _busy(launches: list[dict]) -> list[str]:
    """Return that other programs kept the machine busy, if they did."""
    share = max(launch["foreign_cpu_share"] for launch in launches)
    return [f"other programs took {share:.0%} of the processor: times are theirs, too; verify on a quiet machine"] if share > BUSY else []
