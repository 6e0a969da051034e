"""The teacher's largest logits at the hidden tokens of a corpus are computed once, for masks that stay, and teach as it would itself."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from pyarrow import ipc, parquet

import corpora
from conftest import Workspace
from encoder_compression.data.features import IGNORED
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.run import provenance
from encoder_compression.teaching.fixed_mlm_masks import FixedMlmMasks
from encoder_compression.teaching.top_logits import predict_top_logits
from encoder_compression.techniques.distill import take_layers
from encoder_compression.training.losses import soft_target_loss
from encoder_compression.training.mlm_masks import DynamicMlmMasks
from encoder_compression.training.objectives import Distillation, answer
from encoder_compression.training.trainer import Collator
from own_experiments import TINY, load_studies

COUNT = 16
SHORT = {"epochs": 1, "learning_rate": 1.0e-3, "batch_size": 8}
SOFT = {"hard": 0.2, "soft": 0.8, "hidden": 0, "relation": 0}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return corpora.make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def goal(tmp_path_factory, encoder):
    return corpora.make_goal(encoder, tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, encoder, goal):
    return corpora.tuned(tmp_path_factory.mktemp("teacher"), encoder, goal, epochs=2)


@pytest.fixture(scope="module")
def kept(tmp_path_factory, teacher, goal):
    return keep(teacher, goal, COUNT, tmp_path_factory.mktemp("kept"))


def keep(teacher, goal, count: int, folder):
    predict_top_logits(teacher=teacher / "model", dataset=goal.dataset, seed=goal.seed, count=count, output=folder, name="test")
    return folder


def student_of(teacher):
    """Return a student that answers otherwise than its teacher."""
    student, _ = take_layers(pretrained.load_model(teacher / "model"), "even", 1)
    torch.manual_seed(0)
    for weights in student.base_model.encoder.parameters():
        weights.data += 0.3 * torch.randn_like(weights)
    return student.eval()


def batch_of(blocks, teacher, count: int = 6) -> dict[str, torch.Tensor]:
    return dict(Collator(encoder_facts.load_tokenizer(teacher / "model"))([blocks[index] for index in range(count)]))


def test_the_same_tokens_stay_hidden_in_all_epochs_and_they_are_those_of_the_first(goal, kept):
    first, fixed, taught = DynamicMlmMasks(goal.dataset, 1), FixedMlmMasks(goal.dataset, 1, None), FixedMlmMasks(goal.dataset, 1, kept)
    for blocks in (fixed, taught):
        blocks.set_epoch(3)
    for index in (0, 5, len(first) - 1):
        assert fixed[index] == first[index]
        assert {name: taught[index][name] for name in first[index]} == first[index], "the control hides what its student does"
    assert FixedMlmMasks(goal.dataset, 2, None)[0] != fixed[0]


def test_what_is_kept_are_the_teachers_largest_logits_at_the_places_to_guess(teacher, goal, kept):
    model = pretrained.load_model(teacher / "model").eval()
    blocks = FixedMlmMasks(goal.dataset, 1, kept)
    for index in (0, 40, len(blocks) - 1):
        row = blocks[index]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0][torch.tensor(row["labels"]) != IGNORED]
        assert row["teacher_logits"] == pytest.approx(logits.topk(COUNT).values.numpy(), abs=0.01), "rounded to float16"
        chosen = logits.gather(-1, torch.tensor(row["teacher_tokens"]))
        torch.testing.assert_close(chosen, logits.topk(COUNT).values, atol=1e-4, rtol=0)


def test_with_all_logits_kept_a_student_is_taught_as_by_the_teacher_itself(tmp_path, teacher, goal):
    whole = pretrained.load_model(teacher / "model")
    everything = keep(teacher, goal, whole.config.vocab_size, tmp_path)
    student = student_of(teacher)
    objective = {"weights": SOFT, "temperature": 2}
    live = Distillation(teacher=whole, **objective)(student, batch_of(FixedMlmMasks(goal.dataset, 1, None), teacher))
    stored = Distillation(teacher=None, **objective)(student, batch_of(FixedMlmMasks(goal.dataset, 1, everything), teacher))
    assert stored["soft"].item() == pytest.approx(live["soft"].item(), rel=1e-3)
    assert stored["hard"].item() == live["hard"].item()


def test_with_some_kept_both_distributions_are_over_these_alone(teacher, goal, kept):
    student, batch = student_of(teacher), batch_of(FixedMlmMasks(goal.dataset, 1, kept), teacher)
    terms = Distillation(weights=SOFT, temperature=2, teacher=None)(student, batch)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
    chosen = answer(student, inputs).logits[0].gather(-1, batch["teacher_tokens"])
    assert chosen.shape == ((batch["labels"] != IGNORED).sum(), COUNT)
    torch.testing.assert_close(terms["soft"], 0.8 * soft_target_loss(chosen, batch["teacher_logits"], 2))


def test_a_student_learns_from_what_is_kept_without_its_teacher_in_memory(tmp_path, teacher, encoder, goal, kept, monkeypatch):
    loaded = []
    load = pretrained.load_model
    monkeypatch.setattr(pretrained, "load_model", lambda folder: loaded.append(folder) or load(folder))
    facts = corpora.learn(tmp_path, teacher, encoder, goal, loss=SOFT, top_logits=COUNT, kept=kept, start="pretrained")
    assert teacher / "model" not in loaded
    curve = pd.read_csv(tmp_path / "training.csv")
    assert curve["loss_soft"].dropna().iloc[-1] < curve["loss_soft"].dropna().iloc[0]
    assert np.isfinite(facts["validation_loss"])


def test_tokens_take_two_bytes_where_the_vocabulary_lets_them(kept):
    file = ipc.open_file(kept / "logits.arrow")
    assert [str(kind.value_type) for kind in file.schema.types] == ["uint16", "halffloat"]


def options_of(**changes) -> dict:
    """Return an experiment with a student of one layer on the invented articles."""
    student = {"layers": "even", "keep": 1, "gate": 0, "loss": SOFT, "top_logits": 8, "training": SHORT} | changes
    return {
        "task": corpora.TASK,
        "encoder": {"random": {"architecture": "bert", "vocabulary_from": str(corpora.CORPUS)} | corpora.SHAPE},
        "dataset": {name: corpora.OPTIONS[name] for name in ("files", "split", "max_length")} | {"format": {"separator": ""}},
        "finetune": {"teacher": {"training": SHORT}},
        "distill": {"kept1": student},
        "variants": ["teacher", "teacher+kept1"],
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": SOFT | {"hidden": 1}}, "distill.kept1: 'top_logits' spares the teacher where 'soft' alone asks it; give 'soft'"),
        ({"loss": SOFT | {"soft": 0}}, "distill.kept1: 'top_logits' spares the teacher where 'soft' alone asks it; give 'soft'"),
        ({"top_logits": 1}, "distill.kept1.top_logits"),
    ],
)
def test_what_cannot_spare_the_teacher_is_told_before_anything_runs(tmp_path, changes, message):
    with pytest.raises(UserError, match=rf"mine.yaml:\d+: {re.escape(message)}"):
        load_studies(tmp_path, ["mine"], mine=options_of(**changes))


def test_labels_of_sentences_need_no_such_option(tmp_path):
    even1 = TINY["distill"]["even1"] | {"top_logits": 8}
    with pytest.raises(UserError, match="'top_logits' is for a corpus; take it out, all logits of classification are kept anyway"):
        load_studies(tmp_path, ["mine"], mine=TINY | {"distill": TINY["distill"] | {"even1": even1}})


def test_a_control_reads_no_logits(tmp_path):
    study = load_studies(tmp_path, ["mine"], mine=options_of())["mine"]
    assert study.soft_targets_form("teacher+kept1") == "top8_logits"
    assert study.soft_targets_form("teacher+kept1-control") is None
    assert study.step_options("teacher+kept1-control")["top_logits"] == 8, "so that it hides the same tokens"


@pytest.mark.long
def test_the_workflow_computes_them_once_and_trains_the_student_and_its_control(tmp_path):
    workspace = Workspace(tmp_path, experiment="mine")
    (workspace.folder / "config/experiments/mine.yaml").write_text(yaml.safe_dump(options_of()), encoding="utf-8")
    models = [f"results/mine/teacher+kept1{end}/seed1/model" for end in ("", "-control")]
    done = workspace.run("--cores", "2", *models)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("rule predict_top_logits:") == 1
    facts = provenance.read_facts(workspace.folder / "results/mine/teacher/seed1/top8_logits")
    assert facts == {"blocks": len(parquet.read_table(workspace.folder / "results/mine/dataset/train.parquet")), "kept_logits": 8}
    inputs = [json.loads((workspace.folder / model / "provenance.json").read_text(encoding="utf-8"))["inputs"] for model in models]
    assert ["results/mine/teacher/seed1/top8_logits" in one for one in inputs] == [True, False]
