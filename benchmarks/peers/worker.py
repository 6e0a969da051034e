"""Answer texts with a candidate, one at a time: JSON lines in, JSON lines out. Needs the candidate's packages alone.

    python -m peers.worker LOADER ARTIFACT INPUTS

The first line out is ``{"files": {path: bytes}}``, once the candidate is loaded. A line in is ``{"texts": [...]}``; its answer is
``{"labels": [...], "wall": [...], "processor": [...], "tokens_processor": [...], "peak_mb": ...}``, with seconds per text: of the
whole call by both clocks, and of its tokenization alone, None where the label comes of the text in one call.
"""

import importlib
import json
import os
import re
import sys
import time
from pathlib import Path

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def main() -> None:
    """Load the candidate that the command line names, then answer until the input ends."""
    loader, artifact, inputs = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    candidate = importlib.import_module(f"peers.loaders.{loader}").load(Path(artifact), Path(inputs))
    print(json.dumps({"files": {str(path): path.stat().st_size for path in candidate.files}}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(candidate, json.loads(line)["texts"])), file=answers, flush=True)


def answer(candidate, texts: list[str]) -> dict:
    """Return the labels of texts and the seconds of each call, and the peak of this process's memory so far in MB."""
    calls = [_call(candidate, text) for text in texts]
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[1]) * 1024 / 1e6
    return {name: [call[name] for call in calls] for name in calls[0]} | {"peak_mb": peak}


def _call(candidate, text: str) -> dict:
    start = {name: clock() for name, clock in CLOCKS.items()}
    tokens = candidate.read(text) if candidate.read else text
    between = time.process_time()
    label = candidate.classify(tokens)
    whole = {name: clock() - start[name] for name, clock in CLOCKS.items()}
    return {"labels": label} | whole | {"tokens_processor": between - start["processor"] if candidate.read else None}


if __name__ == "__main__":
    main()
