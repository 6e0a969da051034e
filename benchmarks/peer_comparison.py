"""Compare what a user would pick in place of this workflow: same teacher, same test texts, one thread, in turns.

    python benchmarks/peer_comparison.py --study results/reviews --work ~/.cache/encoder-compression/peers

Three stages, each of which can be asked for alone. ``make`` installs the peers, each in an environment of its own below the working folder
(about 7 GB), and runs what a user would type. ``measure`` times all of them in turns, and wants a quiet machine for some minutes.
``publish`` writes the saved JSON into docs/peers.md.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from encoder_compression.errors import UserError
from encoder_compression.run import environment
from peers import inputs, making, measuring, ours, page
from peers.candidates import PEERS, REFERENCE, Candidate
from peers.remote import Worker

ROOT = Path(__file__).parent.parent
STAGES = ("make", "measure", "publish")
VARIANTS = ("teacher+int8", "teacher+width50+int8", "teacher+even3+width30+words13k+int8", "teacher+static64+words13k+int8")
PACKAGES = ("torch", "transformers", "tokenizers", "onnxruntime")
WARMUP = 60  # texts of validation
WORK = Path("~/.cache/encoder-compression/peers").expanduser()


def main() -> str | None:
    """Run the stages; return the one line that says what is wrong."""
    arguments = _parse()
    try:
        candidates = _candidates(arguments) if {"make", "measure"} & set(arguments.stages) else []
        if "make" in arguments.stages:
            _make(candidates, arguments)
        if "measure" in arguments.stages:
            _measure(candidates, arguments)
        if "publish" in arguments.stages:
            page.publish(json.loads(arguments.output.read_text(encoding="utf-8")), ROOT / "docs" / "peers.md")
    except UserError as error:
        return f"Error: {error}"
    return None


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    stages = f"of {', '.join(STAGES)}; all where none is named"
    parser.add_argument("stages", nargs="*", default=STAGES, metavar="STAGE", help=stages)
    parser.add_argument("--study", type=Path, default=ROOT / "results" / "reviews", help="a finished one, of single texts with classes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variants", nargs="*", default=VARIANTS, help="of the study, with an ONNX graph")
    delivery = "what 'encoder-compression compress' delivered, and by which command"
    parser.add_argument("--delivery", nargs=2, metavar=("FOLDER", "COMMAND"), help=delivery)
    parser.add_argument("--work", type=Path, default=WORK, help="where environments and artifacts lie")
    parser.add_argument("--only", nargs="+", help="peers whose names begin so")
    parser.add_argument("--launches", type=int, default=3, help="fresh starts of every process")
    parser.add_argument("--rounds", type=int, default=11, help="of each start, which share the test texts")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "peers" / "comparison.json")
    arguments = parser.parse_args()
    if not set(arguments.stages) <= set(STAGES):
        parser.error(f"stages are {', '.join(STAGES)}")
    if arguments.launches < 2 or arguments.rounds < 2:
        parser.error("--launches and --rounds are 2 or more, or no figure has an interval")
    return arguments


def _candidates(arguments: argparse.Namespace) -> list[Candidate]:
    """Return the reference, this workflow's candidates and the peers."""
    deliveries = [ours.delivered(Path(arguments.delivery[0]), arguments.delivery[1])] if arguments.delivery else []
    rows = [ours.study_row(variant, arguments.study, arguments.seed) for variant in arguments.variants]
    peers = [peer for peer in PEERS if not arguments.only or peer.name.startswith(tuple(arguments.only))]
    return [REFERENCE, *rows, *deliveries, *peers]


def _make(candidates: list[Candidate], arguments: argparse.Namespace) -> None:
    """Export the inputs and make every peer; a line for each."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    inputs.export(arguments.study, arguments.seed, arguments.work / "inputs")
    for candidate in (candidate for candidate in candidates if candidate.environment):
        made = making.make(candidate, arguments.work)
        print(f"{candidate.name}: {made.get('error') or 'made'}", flush=True)


def _measure(candidates: list[Candidate], arguments: argparse.Namespace) -> None:
    """Measure all that was made, and write the JSON."""
    folder = arguments.work / "inputs"
    made = {candidate.name: _made(candidate, arguments.work) for candidate in candidates}
    workers = {candidate.name: _worker(candidate, arguments.work) for candidate in candidates if "error" not in made[candidate.name]}
    texts, truth = inputs.read(folder / "test.csv")
    warmup = inputs.read(folder / "validation.csv")[0][:WARMUP]
    starts = measuring.measure(workers, REFERENCE.name, texts, warmup, launches=arguments.launches, rounds=arguments.rounds)
    labels = json.loads((folder / "facts.json").read_text(encoding="utf-8"))["labels"]
    record = _about(arguments) | {"foreign_load": starts["foreign_load"], "truth": _numbered(truth, labels)}
    record["candidates"] = [_described(each, made[each.name], starts["candidates"].get(each.name), labels) for each in candidates]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, separators=(",", ":")) + "\n", encoding="utf-8")


def _made(candidate: Candidate, work: Path) -> dict:
    return making.make(candidate, work) if candidate.environment else {"minutes": ours.minutes(candidate)}


def _worker(candidate: Candidate, work: Path) -> Worker:
    log = work / f"{candidate.folder}.log"
    artifact, python = making.artifact_of(candidate, work), making.python_of(candidate, work)
    return Worker(python=python, loader=candidate.loader, artifact=artifact, inputs=work / "inputs", log=log)


def _described(candidate: Candidate, made: dict, measured: dict | None, labels: list[str]) -> dict:
    """Return what the JSON keeps of a candidate."""
    scripts = [script.read_text(encoding="utf-8").splitlines() for script in candidate.scripts()]
    lines = sum(bool(line.strip()) for script in scripts for line in script)
    description = {name: getattr(candidate, name) for name in ("name", "environment", "commands", "call", "reports")}
    measured = measured or {"error": made["error"]}
    if "labels" in measured:
        measured["labels"] = _numbered(measured["labels"], labels)
    return description | {"lines": lines, "made": made, "measured": measured}


def _numbered(answers: list[str], labels: list[str]) -> list[int]:
    return [labels.index(answer) for answer in answers]


def _about(arguments: argparse.Namespace) -> dict:
    """Return when, where and how it was measured."""
    packages = environment.packages()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": environment.hardware(),
        "packages": {name: packages[name] for name in PACKAGES},
        "commit": environment.revision()["commit"],
        "study": arguments.study.resolve().name,
        "launches": arguments.launches,
        "rounds": arguments.rounds,
        "reference": REFERENCE.name,
    }


if __name__ == "__main__":
    sys.exit(main())
