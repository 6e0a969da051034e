"""How large each part is on CUDA and, to try the check itself, on the CPU; and how near to the CPU a result must be."""

from dataclasses import dataclass, field

from corpus_training import BERT_BASE

# Of the loss at a step, in nats; of the largest logit difference, relative to the largest logit where that is over 1. The CPU computes in
# float32. bfloat16 rounds to 8 bits and float16 to 11, and the gradient scaler of float16 skips its first steps.
LOSS_TOLERANCES = {"float32": 0.01, "bfloat16": 0.05, "float16": 0.05}
LOGIT_TOLERANCES = {"float32": 1e-3, "bfloat16": 0.05, "float16": 0.01}
WEIGHT_TOLERANCE = 1e-4  # of two trainings in one precision, where one was killed or ran under torchrun
LEAST_AGREEMENT = 0.9  # of predictions of 8 and 4 bits with those in float

TINY = {"layers": 2, "hidden_size": 64, "heads": 2, "intermediate_size": 128}
DISTILBERT = {"layers": 6, "hidden_size": 768, "heads": 12, "intermediate_size": 3072}


@dataclass(frozen=True)
class Size:
    """What a check on one kind of hardware computes."""

    slowness: int  # how many times as long as on a card a run may take
    language_model: dict[str, int]  # what the timed training has other than the tiny encoder
    measured_shape: dict[str, int]  # of the model that rows measure
    precisions: tuple[str, ...]
    rows: dict[str, dict]  # by name: precision and whether the model is compiled
    sides: tuple[int, ...]  # of the square products that tell the peak
    timed: dict[str, int]  # batch size, length and steps of the timed training
    compared: dict[str, int]  # the same of the training whose losses are compared with the CPU's
    measuring: dict = field(default_factory=dict)


CUDA = Size(
    slowness=1,
    language_model=BERT_BASE | {"vocab_size": 30522},
    measured_shape=DISTILBERT,
    precisions=("bfloat16", "float16", "float32"),
    rows={
        "float32": {"precision": "float32"},
        "float16": {"precision": "float16"},
        "bfloat16": {"precision": "bfloat16"},
        "bfloat16 compiled": {"precision": "bfloat16", "compile": True},
    },
    sides=(4096, 8192),
    timed={"batch_size": 64, "length": 128, "steps": 60},
    compared={"batch_size": 8, "length": 128, "steps": 3},
    measuring={"calls": 200, "warmup_calls": 20, "throughput": {"batch_sizes": [1, 16], "examples": 16}},
)
CPU = Size(
    slowness=5,
    language_model={"vocab_size": 500},
    measured_shape=TINY,
    precisions=("float32", "bfloat16"),
    rows={"float32": {"precision": "float32"}},
    sides=(256,),
    timed={"batch_size": 4, "length": 32, "steps": 20},
    compared={"batch_size": 4, "length": 32, "steps": 3},
    measuring={"calls": 8, "warmup_calls": 2, "throughput": {"batch_sizes": [4], "examples": 8}},
)
SIZES = {"cuda": CUDA, "cpu": CPU}
