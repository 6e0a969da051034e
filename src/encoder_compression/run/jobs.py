"""The frame around a script of the workflow: its log, its bars, its errors, its provenance."""

import logging
import os
import platform
import shutil
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

from encoder_compression.errors import UserError
from encoder_compression.run import environment, progress, provenance

ROOM = 100_000  # bytes; a disk with less is full


@contextmanager
def job(snakemake):
    """Run a script's one call; yields a dict whose entries become the ``facts`` of the artifact.

    Scripts import what they call within the frame, so that it decides what libraries may load, and an import that fails is told, too.

    Whatever is printed goes to the log of the rule, bars go to the terminal, and the folder of each output that is or
    holds an artifact gets its provenance.json. A UserError ends the job with its one line, any other error with its
    traceback in the log and one line on the terminal.
    """
    # torch.load reads it at each call, and where it is set a checkpoint can run code again (CVE-2026-1839).
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # transformers 5 draws one for every file that it loads, and the log would hold them
    log = Path(snakemake.log[0])
    _redirect_to(log)
    _say_where()
    facts: dict = {}
    start = time.monotonic()
    try:
        with environment.blocked_imports():
            yield facts
            _write_provenance(snakemake, time.monotonic() - start, facts)
    except UserError as error:
        _fail(str(error), log)
    except Exception as error:  # the terminal gets one line, the log all of it
        traceback.print_exc()
        _fail(_full_disk(Path(snakemake.output[0])) or f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", log)


def title(snakemake) -> str:
    """Return a short name of the job for its bar: rule, fold, variant, seed, device."""
    names = [value if name != "experiment" else value.partition("/")[2] for name, value in snakemake.wildcards.items()]
    return " ".join([snakemake.rule, *filter(None, map(str, names))])


def _redirect_to(log: Path) -> None:
    """Send file descriptors 1 and 2, where C libraries print too, to the log; keep the terminal for bars."""
    log.parent.mkdir(parents=True, exist_ok=True)
    progress.terminal = os.fdopen(os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
    sys.stderr.reconfigure(encoding="utf-8")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    logging.captureWarnings(True)


def _say_where() -> None:
    """Begin the log with where it runs; of a job that was cancelled, Snakemake shows no other log after an empty one."""
    number = os.environ.get("SLURM_JOB_ID")
    print(f"on {platform.node()}{f', SLURM job {number}' if number else ''}")


def _full_disk(output: Path) -> str | None:
    """Return what to do where the disk of an output is full, which libraries tell in words of their own or not at all."""
    folder = next(parent for parent in output.absolute().parents if parent.exists())
    if shutil.disk_usage(folder).free < ROOM:
        return f"the disk of {output} is full; make room and run again, a training goes on from its last checkpoint"
    return None


def _fail(message: str, log: Path) -> None:
    print(f"Error: {message}", file=sys.stderr)
    print(f"Error: {message} (log: {log})", file=progress.terminal)
    sys.stderr.flush()
    os._exit(1)  # without Snakemake's own traceback of this script


def _write_provenance(snakemake, seconds: float, facts: dict) -> None:
    inputs = {path: provenance.fingerprint(path) for path in sorted(set(snakemake.input)) if Path(path).exists()}
    options = dict(snakemake.params.items()) | {"wildcards": dict(snakemake.wildcards.items())}
    folders = [Path(output) for output in snakemake.output if Path(output).is_dir()]
    for folder in folders or [Path(snakemake.output[0]).parent]:
        provenance.write(folder, options=options, inputs=inputs, seconds=seconds, facts=facts)
