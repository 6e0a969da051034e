"""Run the training, the soft targets and the rows of this project on a GPU, compare them with the CPU, and write one JSON.

    sh benchmarks/gpu_check.sh --output gpu.json                   (on one H100-class card, within 8 minutes)
    sh benchmarks/gpu_check.sh --output cpu.json --device cpu      (the same parts, small: whether the check itself works)

docs/gpu.md tells more.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
START = time.monotonic()
SECONDS = {"cuda": 450, "cpu": 900}  # from the start on; no run begins later, and one that goes on then is ended
FIRST_LIMIT = 60  # seconds for the first look at the card, which waits for the driver


def main() -> int:
    """Run the parts that are asked for; return 0 where none failed and all that must hold holds."""
    arguments = _parse()
    _set_process()
    from encoder_compression.run import environment  # which must come before transformers

    with environment.blocked_imports(), tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        record = _run(arguments, Path(folder))
    print(f"{arguments.output}: {len(record['parts'])} parts in {record['seconds']:.0f} s, {len(record['failed'])} failures")
    return bool(record["failed"])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--output", type=Path, required=True, help="the JSON; what runs print goes to a file .log beside it")
    parser.add_argument("--commit", help="of the files that are checked, where they lie outside git")
    parser.add_argument("--parts", nargs="+", help="run only those whose names begin so; preparation always runs")
    return parser.parse_args()


def _set_process() -> None:
    """Give this process and its children the settings of a study's jobs, and the modules beside this file to those of torchrun."""
    from encoder_compression.run import environment

    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH")]))
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # asking CUDA itself would keep it from the processes that this one forks
    environment.apply_process_settings()


def _run(arguments: argparse.Namespace, folder: Path) -> dict:
    """Run the parts and return the record; it is written anew after each part, so that a check that is cut short leaves the others."""
    from gpu_parts.check import Check
    from gpu_parts.sizes import SIZES

    log = arguments.output.absolute().with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8")
    children, card = _start_children(arguments.device, START + SECONDS[arguments.device], log)
    check = Check(folder, arguments.device, SIZES[arguments.device], children)
    record = _describe(arguments, card)
    for name, part in _parts(check).items():
        if _is_chosen(name, arguments.parts):
            record["parts"][name] = _run_part(name, part)
            record["failed"] += [f"{name}: {reason}" for reason in _failures(record["parts"][name])]
            record["seconds"] = round(time.monotonic() - START, 1)
            arguments.output.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def _describe(arguments: argparse.Namespace, card: dict | None) -> dict:
    """Return the record of a check that has run no part yet."""
    from encoder_compression.run import environment

    revision = environment.revision()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": arguments.device,
        "card": card,
        "versions": environment.packages(),
        "commit": revision["commit"] or arguments.commit,
        "modified": revision["modified"] if revision["commit"] else None,
        "hardware": environment.hardware(),
        "seconds": 0.0,
        "failed": [],
        "parts": {},
    }


def _start_children(device: str, deadline: float, log: Path):
    """Return what starts runs and what the card is; by forks, or where these cannot use CUDA by processes that import everything anew."""
    from gpu_parts.children import Children, RunError
    from gpu_parts.machine import look_at_card

    children = Children(start="fork", deadline=deadline, log=log)
    if device == "cpu":
        return children, None
    try:
        return children, children.run(look_at_card, hardware=device, limit=FIRST_LIMIT)
    except RunError:
        children = Children(start="spawn", deadline=deadline, log=log)
    try:
        return children, children.run(look_at_card, hardware=device, limit=FIRST_LIMIT)
    except RunError as error:
        sys.exit(f"Error: {error}")


def _parts(check) -> dict[str, Callable[[], dict]]:
    """Return all parts by name, what matters most first; each later one needs the preparation alone, rows also "measured"."""
    from gpu_parts import few_bits, preparation, rows, training, utilisation

    precisions = check.size.precisions
    return {
        "preparation": partial(preparation.prepare, check),
        **{f"training {precision}": partial(training.train_in, check, precision) for precision in precisions},
        "soft targets": partial(training.compute_soft_targets, check),
        "resume after a kill": partial(training.resume_after_a_kill, check),
        "torchrun": partial(training.train_under_torchrun, check),
        **{f"utilisation {precision}": partial(utilisation.utilise, check, precision) for precision in precisions},
        "measured": partial(rows.make_measured, check),
        **{f"row {name}": partial(rows.measure_precision, check, name) for name in check.size.rows},
        **{f"bits {name}": partial(few_bits.quantize, check, name) for name in few_bits.METHODS},
        "row onnxruntime": partial(rows.measure_onnxruntime, check),
    }


def _is_chosen(name: str, asked: list[str] | None) -> bool:
    """Say whether a part runs: all do, or those asked for with what they read."""
    if asked is None or name == "preparation":
        return True
    needs_model = any(prefix.startswith(("row", "bits")) for prefix in asked)
    return any(name.startswith(prefix) for prefix in asked) or (name == "measured" and needs_model)


def _run_part(name: str, part: Callable[[], dict]) -> dict:
    """Return what a part tells and its seconds; in place of it one line of what it lacks or why it failed."""
    from gpu_parts.children import MissingPackage

    start = time.monotonic()
    try:
        outcome = json.loads(json.dumps(part()))  # what cannot be written fails here, in its own part
    except MissingPackage as error:
        outcome = {"not_installed": str(error)}
    except Exception as error:  # the other parts go on
        outcome = {"error": " ".join(str(error).split()) or type(error).__name__}
    result = {"seconds": round(time.monotonic() - start, 1)} | outcome
    print(f"{result['seconds']:6.1f} s  {name}: {_summary(result)}", flush=True)
    return result


def _summary(part: dict) -> str:
    if "not_installed" in part:
        return f"not installed: {part['not_installed']}"
    return "; ".join(_failures(part)) or "as it must be"


def _failures(part: dict) -> list[str]:
    """Return why a part failed: its error, or what should hold and does not."""
    if "error" in part:
        return [part["error"]]
    return [f"does not hold: {claim}" for claim, holds in part.get("holds", {}).items() if not holds]


if __name__ == "__main__":
    sys.exit(main())
