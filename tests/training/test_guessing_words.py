"""A model learns to guess hidden words from the words and from its teacher, at their places alone, and never from a random head."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from pyarrow import parquet
from torch.nn import functional

import corpora
from encoder_compression.data.features import IGNORED
from encoder_compression.data.tasks import masked_language_modelling as task
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.export import onnx_graph, openvino_model
from encoder_compression.measurement.remote import started
from encoder_compression.run import provenance
from encoder_compression.techniques.distill import take_layers
from encoder_compression.training.heads import new_model
from encoder_compression.training.losses import HiddenStateMatcher
from encoder_compression.training.mlm_masks import DynamicMlmMasks
from encoder_compression.training.objectives import Distillation, answer, from_labels
from encoder_compression.training.train import train
from encoder_compression.training.trainer import ProgressBar

ARCHITECTURES = ["bert", "roberta", "distilbert", "electra", "mpnet"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return corpora.make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def goal(tmp_path_factory, encoder):
    return corpora.make_goal(encoder, tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, encoder, goal):
    """A folder with a teacher whose language-model head was trained."""
    return corpora.tuned(tmp_path_factory.mktemp("teacher"), encoder, goal, epochs=3)


def batch_of(goal) -> dict[str, torch.Tensor]:
    table = parquet.read_table(goal.dataset / "validation.parquet")[:4].to_pydict()
    ids, labels = torch.tensor(table["input_ids"]), torch.tensor(table["labels"])
    return {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_those_of_the_places_to_guess_and_the_loss_is_torchs(tmp_path, architecture):
    model = pretrained.add_head(corpora.make_encoder(tmp_path, architecture=architecture), pretrained.class_for(task.HUB_NAME), {}).eval()
    ids = torch.randint(5, 300, (3, 12))
    labels = torch.where(torch.rand(3, 12) < 0.3, ids, IGNORED)
    labels[0, 0] = 7
    batch = {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}
    whole = model(input_ids=ids, attention_mask=batch["attention_mask"], output_hidden_states=True)
    out = answer(model, batch, output_hidden_states=True)
    torch.testing.assert_close(out.logits[0], whole.logits[labels != IGNORED])
    for one, other in zip(out.hidden_states, whole.hidden_states, strict=True):
        torch.testing.assert_close(one, other)
    expected = functional.cross_entropy(whole.logits.reshape(36, -1), labels.reshape(-1), ignore_index=IGNORED)
    torch.testing.assert_close(from_labels(model, batch)["hard"], expected)
    assert model(input_ids=ids).logits.shape[:2] == (3, 12), "the hook is off again"


def test_the_target_is_the_hidden_word_and_not_the_next_one(encoder, goal):
    model = pretrained.add_head(encoder, pretrained.class_for(task.HUB_NAME), {}).eval()
    ids = torch.tensor([[2, 9, 4, 11, 3]])
    labels = torch.tensor([[IGNORED, IGNORED, 10, IGNORED, IGNORED]])
    loss = from_labels(model, {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)})["hard"]
    torch.testing.assert_close(loss, -model(input_ids=ids).logits[0, 2].log_softmax(-1)[10])


def test_the_soft_term_is_of_the_teachers_own_head_on_the_same_masked_text(teacher, goal):
    whole, batch = pretrained.load_model(teacher / "model"), batch_of(goal)
    student, layers = take_layers(whole, "last", 1)
    student.hidden_matcher = HiddenStateMatcher(student_width=32, teacher_width=32, layer_map=layers)
    objective = Distillation(weights={"hard": 0.5, "soft": 2, "hidden": 3, "relation": 0}, temperature=4, teacher=whole)
    terms = objective(student.eval(), batch)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    mine, theirs = student(**inputs, output_hidden_states=True), whole.eval()(**inputs, output_hidden_states=True)
    places = batch["labels"] != IGNORED
    one, other = (out.logits[places] / 4 for out in (mine, theirs))
    soft = functional.kl_div(one.log_softmax(-1), other.softmax(-1), reduction="batchmean") * 16
    torch.testing.assert_close(terms["soft"], 2 * soft)
    torch.testing.assert_close(terms["hard"], 0.5 * functional.cross_entropy(mine.logits[places], batch["labels"][places]))
    pairs = [(mine.hidden_states[0], theirs.hidden_states[0]), (mine.hidden_states[1], theirs.hidden_states[2])]
    torch.testing.assert_close(terms["hidden"], 3 * torch.stack([functional.mse_loss(*pair) for pair in pairs]).mean())


@pytest.fixture(scope="module")
def student(tmp_path_factory, teacher, encoder, goal):
    folder = tmp_path_factory.mktemp("student")
    return folder, corpora.learn(folder, teacher, encoder, goal)


def test_validation_loss_falls_and_perplexity_and_every_term_are_in_the_curve(teacher, student):
    for folder, terms in ((teacher, ["hard"]), (student[0], ["hard", "soft", "hidden"])):
        curve = pd.read_csv(folder / "training.csv")
        loss = curve["eval_loss"].dropna()
        assert loss.iloc[-1] < loss.iloc[0]
        assert curve["eval_perplexity"].dropna().tolist() == pytest.approx([math.exp(one) for one in loss], rel=1e-3)
        assert all(curve[f"loss_{term}"].dropna().gt(0).all() for term in terms)
    facts = provenance.read_facts(teacher / "model")
    assert math.exp(facts["validation_loss"]) == pytest.approx(facts["validation_perplexity"])
    assert facts["validation_perplexity"] < 329, "better than guessing at random among the words of the vocabulary"


def test_the_recorded_score_and_loss_are_those_of_the_saved_model_on_validation(teacher, goal):
    table = parquet.read_table(goal.dataset / "validation.parquet").to_pydict()
    ids, labels = torch.tensor(table["input_ids"]), torch.tensor(table["labels"])
    with torch.inference_mode():
        logits = pretrained.load_model(teacher / "model").eval()(input_ids=ids).logits
    shares = [(row.argmax(-1) == label)[label != IGNORED].float().mean().item() for row, label in zip(logits, labels, strict=True)]
    facts = provenance.read_facts(teacher / "model")
    assert facts["validation_score"] == pytest.approx(np.mean(shares))
    expected = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED).item()
    assert facts["validation_loss"] == pytest.approx(expected, rel=0.01)  # blocks have nearly as many places to guess


def test_a_student_keeps_the_teachers_head_as_its_start(tmp_path, teacher, encoder, goal):
    corpora.learn(tmp_path, teacher, encoder, goal, training=corpora.TRAINING | {"epochs": 0})
    first, second = (pretrained.load_model(folder / "model").state_dict() for folder in (tmp_path, teacher))
    head = [name for name in first if name.startswith("cls.")]
    assert head and all(torch.equal(first[name], second[name]) for name in head)


def test_a_frozen_encoder_stays_as_it_came_while_the_head_is_trained(tmp_path, encoder, goal):
    folder = corpora.tuned(tmp_path, encoder, goal, freeze="encoder", epochs=1)
    before = pretrained.add_head(encoder, pretrained.class_for(task.HUB_NAME), {}).base_model.state_dict()
    after = pretrained.load_model(folder / "model")
    assert all(torch.equal(after.base_model.state_dict()[name], values) for name, values in before.items())
    assert not torch.equal(after.cls.predictions.transform.dense.weight, new_model(encoder, goal).cls.predictions.transform.dense.weight)


def test_a_frozen_table_of_words_stays_as_it_came_while_the_layers_are_trained(tmp_path, encoder, goal):
    folder = corpora.tuned(tmp_path, encoder, goal, freeze="embeddings", epochs=1)
    before = pretrained.add_head(encoder, pretrained.class_for(task.HUB_NAME), {})
    after = pretrained.load_model(folder / "model")
    assert torch.equal(after.get_input_embeddings().weight, before.get_input_embeddings().weight)
    assert not torch.equal(pretrained.blocks(after)[0].query.weight, pretrained.blocks(before)[0].query.weight)
    assert (
        provenance.read_facts(folder / "model")["trained_parameters"]
        == after.num_parameters() - before.get_input_embeddings().weight.numel()
    )


def test_an_encoder_without_a_head_gives_no_untrained_teacher_and_one_with_a_head_does(tmp_path, encoder, teacher, goal):
    with pytest.raises(UserError, match="no head for fill-mask, and a random one would be .* more than 0 epochs"):
        corpora.tuned(tmp_path / "bare", encoder, goal, epochs=0)
    again = corpora.tuned(tmp_path / "whole", teacher / "model", goal, epochs=0)
    before, after = (provenance.read_facts(folder / "model") for folder in (teacher, again))
    assert after["validation_score"] == pytest.approx(before["validation_score"])
    assert after["validation_loss"] == pytest.approx(before["validation_loss"], rel=1e-5)


def test_a_run_killed_within_an_epoch_hides_the_same_words_when_it_goes_on(encoder, goal, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def fit(folder) -> tuple:
        model = new_model(encoder, goal)
        options = {"tokenizer": encoder_facts.load_tokenizer(encoder), "goal": goal, "options": corpora.TRAINING, "objective": from_labels}
        _, facts = train(model=model, checkpoints=folder, examples=DynamicMlmMasks(goal.dataset, goal.seed), ramp=None, **options)
        return model, facts

    whole, facts = fit(tmp_path / "whole")

    def save_then_die(self, args, state, control, **_):
        control.should_save = state.global_step == facts["steps"] - 2
        if state.global_step == facts["steps"] - 1:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(ProgressBar, "on_step_end", save_then_die)
        fit(tmp_path / "killed")
    resumed, after = fit(tmp_path / "killed")
    assert after["resumed"]
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True))


def test_a_student_of_another_experiment_brings_its_layers_and_must_fit(tmp_path, teacher, student, encoder, goal):
    start = {"experiment": "other", "variant": "teacher+even1", "seed": 1}
    facts = corpora.learn(
        tmp_path / "one", teacher, encoder, goal, start=start, begun=student[0] / "model", training=corpora.TRAINING | {"epochs": 0}
    )
    assert facts["start"] == "given" and facts["layer_map"] == {1: 2}
    first, second = (pretrained.load_model(folder / "model").base_model.state_dict() for folder in (tmp_path / "one", student[0]))
    assert all(torch.equal(first[name], second[name]) for name in second)
    with pytest.raises(UserError, match="which has 2 layers and not 1; make 'layers' and 'keep' fit it"):
        corpora.learn(tmp_path / "two", teacher, encoder, goal, start=start, begun=teacher / "model")
    stranger = corpora.make_encoder(tmp_path / "stranger", layers=1, vocabulary_size=300)
    with pytest.raises(UserError, match="has another vocabulary than its teacher"):
        corpora.learn(tmp_path / "three", teacher, encoder, goal, start=start, begun=stranger)


def test_the_saved_config_names_the_class_with_the_head(student):
    assert json.loads((student[0] / "model" / "config.json").read_text(encoding="utf-8"))["architectures"] == ["BertForMaskedLM"]
    assert pretrained.auto_class(student[0] / "model") == pretrained.class_for(task.HUB_NAME)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_graph_answers_as_the_model_does_also_where_it_is_padded(teacher, tmp_path, tiny, runtime):
    facts = onnx_graph.export(model=teacher / "model", options=tiny.options["export"], output=tmp_path / "onnx")
    if runtime == "openvino":
        folders = {"model": teacher / "model", "graph": tmp_path / "onnx", "output": tmp_path / "openvino"}
        facts = openvino_model.convert(options=tiny.options["export"], **folders)
    assert facts["largest_logit_difference"] < 1e-4


def test_a_measured_process_keeps_the_likeliest_tokens_and_no_logits(teacher, goal):
    device = {"runtime": "pytorch", "hardware": "cpu", "threads": 1, "precision": "float32"}
    with started([(teacher / "model", device, goal.dataset)], split="test") as (worker,):
        found = worker.ask("predict", batch_size=4, split="validation")
    share = np.mean(task.CREDITS["masked_accuracy"](found["label"], found["prediction"]))
    assert share == pytest.approx(provenance.read_facts(teacher / "model")["validation_score"])
    logits = torch.randn(2, 3, 7)
    assert task.reduce(logits).tolist() == task.reduce(logits.numpy()).tolist() == logits.max(-1).indices.tolist()
