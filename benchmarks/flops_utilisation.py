"""How much of the machine's peak in matrix products a distillation on a corpus uses (model FLOPs utilisation).

    make utilisation            (after make run, which fetches the vocabulary)

A student of six layers of BERT-base's shape learns from its teacher of twelve, both with random weights, on full blocks of random
tokens, by the very loop that trains in a study: MLM masks drawn anew, both forward passes, the way back, the optimizer. The operations of
a step are counted by torch as it runs, and the peak is the best that torch reaches in large square products on as many threads.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForMaskedLM

from corpus_training import BERT_BASE, operations_per_token, peak, tokens_per_second, train_on_blocks, write_blocks
from encoder_compression.encoders import encoder_facts
from encoder_compression.run import environment
from encoder_compression.techniques.distill import take_layers
from encoder_compression.training.losses import HiddenStateMatcher
from encoder_compression.training.objectives import Distillation

LOSS = {"hard": 0.5, "soft": 0.5, "hidden": 0.1, "relation": 0}
SIDES = (2048, 4096)  # of the square products that tell the peak


def main() -> None:
    """Print one JSON object: tokens per second, operations per token, the peak, and the share of it that is used."""
    arguments = _parse()
    torch.set_num_threads(arguments.threads)
    tokenizer = encoder_facts.load_tokenizer(arguments.encoder)
    teacher, student, layers = _models(arguments)
    objective = Distillation(weights=LOSS, temperature=2, teacher=teacher)
    amounts = {"batch_size": arguments.batch_size, "steps": arguments.steps}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        dataset = write_blocks(folder / "dataset", tokenizer, length=arguments.length, **amounts)
        operations = operations_per_token(objective, student, dataset, tokenizer, arguments.batch_size)
        peaks = [peak(arguments.precision, SIDES)]
        history = train_on_blocks(student, objective, tokenizer, dataset, folder / "checkpoints", precision=arguments.precision, **amounts)
        peaks.append(peak(arguments.precision, SIDES))
    speed = tokens_per_second(history)
    measured = {
        "tokens_per_second": round(speed),
        "operations_per_token": round(operations),
        "peak_tflops_before_and_after": [round(rate / 1e12, 3) for rate in peaks],
        "utilisation": round(speed * operations / max(peaks), 3),
    }
    print(json.dumps(measured | vars(arguments) | {"layers": layers} | environment.hardware(), indent=2, default=str))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", type=Path, default=Path("results/reviews/base"), help="folder with a tokenizer and a config")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def _models(arguments: argparse.Namespace) -> tuple[torch.nn.Module, torch.nn.Module, list[int]]:
    """Return a random teacher, a student of every other layer, and which layers these are."""
    torch.manual_seed(0)
    teacher = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(arguments.encoder, **BERT_BASE))
    student, layers = take_layers(teacher, "even", 6)
    width = teacher.config.hidden_size
    student.hidden_matcher = HiddenStateMatcher(student_width=width, teacher_width=width, layer_map=layers)
    return teacher, student, layers


if __name__ == "__main__":
    main()
