"""A run that breaks costs its own part alone, and operations are counted as by hand."""

import argparse
import json
import os
import time
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

import gpu_check
from corpus_training import operations_per_token, peak, write_blocks
from encoder_compression.encoders import encoder_facts
from gpu_parts.children import Children, MissingPackage, RunError


def answer(*, number: int) -> dict:
    return {"number": number, "cuda": os.environ.get("CUDA_VISIBLE_DEVICES")}


def fail() -> dict:
    raise ValueError("first line\n  second line")


def die() -> dict:
    os._exit(3)


def sleep() -> dict:
    return {"slept": time.sleep(60)}


def import_nothing() -> dict:
    import no_such_package_anywhere

    return {"package": no_such_package_anywhere}


@pytest.fixture
def children(tmp_path) -> Children:
    return Children(start="fork", deadline=time.monotonic() + 60, log=tmp_path / "log")


def test_a_run_on_the_cpu_sees_no_card_and_answers(children):
    assert children.run(answer, hardware="cpu", limit=30, number=7) == {"number": 7, "cuda": ""}
    assert children.run(answer, hardware="cuda", limit=30, number=8)["cuda"] == os.environ.get("CUDA_VISIBLE_DEVICES")


def test_a_run_that_fails_dies_or_lasts_is_one_line(children):
    with pytest.raises(RunError, match="^ValueError: first line second line$"):
        children.run(fail, hardware="cpu", limit=30)
    with pytest.raises(RunError, match="died with exit code 3"):
        children.run(die, hardware="cpu", limit=30)
    with pytest.raises(RunError, match="no answer within 0 s"):
        children.run(sleep, hardware="cpu", limit=0.3)
    with pytest.raises(MissingPackage, match="^no_such_package_anywhere$"):
        children.run(import_nothing, hardware="cpu", limit=30)
    assert "ValueError: first line" in children.log.read_text(encoding="utf-8")  # with its traceback


def test_no_run_starts_after_the_deadline(tmp_path):
    late = Children(start="fork", deadline=time.monotonic() - 1, log=tmp_path / "log")
    with pytest.raises(RunError, match="no answer within 0 s"):
        late.run(answer, hardware="cpu", limit=30, number=1)


def test_a_part_that_fails_leaves_the_others_and_is_on_disk_before_the_next_begins(tmp_path, monkeypatch):
    output = tmp_path / "check.json"

    def broken() -> dict:
        raise RuntimeError("two\nlines")

    def lacking() -> dict:
        raise MissingPackage("some-package")

    def after() -> dict:
        return {"seen": list(json.loads(output.read_text(encoding="utf-8"))["parts"]), "holds": {"this": True, "that": False}}

    monkeypatch.setattr(gpu_check, "_parts", lambda check: {"broken": broken, "lacking": lacking, "after": after})
    arguments = argparse.Namespace(device="cpu", output=output, parts=None, commit="abc")
    record = gpu_check._run(arguments, tmp_path)
    assert record["parts"]["broken"]["error"] == "two lines"
    assert record["parts"]["lacking"]["not_installed"] == "some-package"
    assert record["parts"]["after"]["seen"] == ["broken", "lacking"]
    assert record["failed"] == ["broken: two lines", "after: does not hold: that"]
    assert json.loads(output.read_text(encoding="utf-8")) == record


@pytest.mark.parametrize(
    ("asked", "name", "runs"),
    [
        (None, "torchrun", True),
        (["torchrun"], "preparation", True),
        (["torchrun"], "measured", False),
        (["row"], "row float32", True),
        (["row float16"], "row float32", False),
        (["bits NF4"], "measured", True),
    ],
)
def test_parts_asked_for_run_with_what_they_read(asked, name, runs):
    assert gpu_check._is_chosen(name, asked) == runs


def test_operations_of_a_step_are_those_counted_by_hand(encoder, tmp_path):
    layers, width, inner, length = 3, 16, 40, 24
    shape = {"num_hidden_layers": layers, "hidden_size": width, "intermediate_size": inner, "num_attention_heads": 2}
    config = BertConfig(**shape, vocab_size=500, attn_implementation="eager")
    tokenizer = encoder_facts.load_tokenizer(encoder)
    dataset = write_blocks(tmp_path / "blocks", tokenizer, batch_size=2, length=length, steps=1)

    def objective(model, batch) -> dict[str, torch.Tensor]:
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return {"sum": model(**inputs).last_hidden_state.square().sum()}

    counted = operations_per_token(objective, BertModel(config, add_pooling_layer=False), dataset, tokenizer, 2)
    weights = 4 * width**2 + 2 * width * inner
    attention = 2 * length * width  # products of queries and keys, of probabilities and values
    assert counted == layers * 3 * 2 * (weights + attention)  # forward and twice back, a product and a sum each


def test_the_peak_is_the_rate_of_the_fastest_product(monkeypatch):
    ticks = iter([0.0, 4.0, 10.0, 12.0, 20.0, 25.0, 30.0, 33.0, 40.0, 44.0, 50.0, 59.0])
    monkeypatch.setattr("corpus_training.time.perf_counter", lambda: next(ticks))
    assert peak("float32", (8,)) == 2 * 8**3 / 2.0


def test_the_check_refuses_a_machine_without_a_card(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a card here")
    with pytest.raises(SystemExit, match="torch finds no usable GPU here; run with --device cpu"):
        gpu_check._start_children("cuda", time.monotonic() + 120, Path(tmp_path / "log"))
