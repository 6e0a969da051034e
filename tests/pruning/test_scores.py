"""A weight's importance is what the papers say, compared with gradients and inputs that are computed another way."""

import pytest
import torch

from conftest import make_encoder
from encoder_compression.encoders import pretrained
from encoder_compression.pruning.scores import factors


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = make_encoder(tmp_path_factory.mktemp("encoder"))
    return pretrained.add_head(folder, "AutoModelForSequenceClassification", {"num_labels": 2}).eval()


@pytest.fixture(scope="module")
def batches():
    torch.manual_seed(0)
    padded = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    return [
        {"input_ids": torch.randint(5, 50, (2, 6)), "attention_mask": padded, "labels": torch.tensor(labels)} for labels in ([0, 1], [1, 1])
    ]


def gradients(model, batches):
    """Return the gradients of the first layer's query by torch's own backward pass, one per batch."""
    weights_factors = []
    for batch in batches:
        model.zero_grad()
        model(**batch).loss.backward()
        weights_factors.append(model.bert.encoder.layer[0].attention.self.query.weight.grad.clone())
    return torch.stack(weights_factors)


@pytest.mark.parametrize(
    ("score", "reduce"), [("taylor", lambda g: g.abs().mean(dim=0)), ("fisher", lambda g: g.square().mean(dim=0).sqrt())]
)
def test_factors_of_gradients_are_those_of_a_backward_pass(model, batches, score, reduce):
    weights_factors = factors(model, pretrained.encoder_linears(model), score, batches)["layer.0.attention.self.query"]
    torch.testing.assert_close(weights_factors, reduce(gradients(model, batches)))


def test_padding_is_no_input_of_the_activation_score(model, batches):
    with torch.no_grad():
        states = torch.cat([model.bert.embeddings(batch["input_ids"])[batch["attention_mask"].bool()] for batch in batches])
    weights_factors = factors(model, pretrained.encoder_linears(model), "activation", batches)["layer.0.attention.self.query"]
    torch.testing.assert_close(weights_factors, states.square().mean(dim=0).sqrt())


def test_size_alone_needs_no_examples(model):
    weights_factors = factors(model, pretrained.encoder_linears(model), "magnitude", [])
    assert set(weights_factors) == set(pretrained.encoder_linears(model))
    assert all((factor == 1).all() for factor in weights_factors.values())
