"""A process that runs code as a script of the workflow does."""

import importlib.util
import subprocess
import sys
from pathlib import Path

FRAME = """
import os, sys
from types import SimpleNamespace
from encoder_compression.run.jobs import job

with job(SimpleNamespace(log=[sys.argv[1]])):
    exec(sys.argv[2])
    sys.stdout.flush()
    os._exit(0)  # without the provenance of outputs that are not there
"""


def printed_in_a_job(code: str, log: Path, **options) -> str:
    """Run the code in the frame of a job; return what it prints, of which the log has it all."""
    done = subprocess.run([sys.executable, "-c", FRAME, str(log), code], capture_output=True, encoding="utf-8", **options)
    assert done.returncode == 0, done.stderr + log.read_text(encoding="utf-8")
    return log.read_text(encoding="utf-8").partition("\n")[2]  # less the line that says where the job runs


def imported_in_a_training(**_) -> dict[str, bool]:
    """Return which of the packages that no job needs could be imported here, as the facts of a technique."""
    return {name: importlib.util.find_spec(name) is not None for name in ("bitsandbytes", "openvino_telemetry", "torchao")}


def threads_in_a_training(**_) -> dict[str, int]:
    """Return with how many threads torch computes here, as the facts of a technique."""
    import torch

    return {"threads": torch.get_num_threads()}
