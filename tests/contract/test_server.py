"""The server of a delivery gives the predictions of predict.py, to one client and to many at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest

from encoder_compression.contract import raw_inputs, served
from encoder_compression.errors import UserError
from small_deliveries import deliver, predict, quantized, random_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["onnx", "int8"])
def delivery(request, tmp_path_factory, encoder, dataset, tiny) -> Path:
    """A float graph, which runs in batches, and dynamic INT8, which does not."""
    folder = random_model(tmp_path_factory.mktemp("model"), encoder, head={"num_labels": 2})
    artifact = quantized(folder, dataset, tiny.options["quantize"]["int8"]) if request.param == "int8" else folder / "onnx"
    written, _ = deliver(tmp_path_factory.mktemp("served"), artifact, dataset)
    return written


@pytest.fixture(scope="module")
def port(delivery):
    with served.server(delivery) as running:
        yield running.port


def call(port: int, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
    connection = HTTPConnection(served.HOST, port, timeout=60)
    connection.request(method, path, json.dumps(body).encode() if body else None, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_a_request_with_many_inputs_gets_the_predictions_of_predict(port, delivery, dataset):
    inputs = raw_inputs.of_split(dataset, "test")
    status, answer = call(port, "POST", "/predict", {"inputs": inputs})
    assert status == 200
    expected = predict(delivery, inputs)
    assert [each["label"] for each in answer["predictions"]] == [each["label"] for each in expected]
    probabilities = [each["probability"] for each in answer["predictions"]]
    assert probabilities == pytest.approx([each["probability"] for each in expected], rel=1e-5)


def test_clients_that_ask_at_once_each_get_their_own_answer(port, delivery, dataset):
    inputs = raw_inputs.of_split(dataset, "test")
    expected = predict(delivery, inputs)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: call(port, "POST", "/predict", {"inputs": [each]})[1]["predictions"][0], inputs * 3))
    assert [each["label"] for each in answers] == [each["label"] for each in expected * 3]
    assert [each["probability"] for each in answers] == pytest.approx([each["probability"] for each in expected * 3], rel=1e-5)


def test_health_names_the_model_once_it_is_loaded(port, delivery):
    size = json.loads((delivery / "settings.json").read_text(encoding="utf-8"))["batch_size"]
    expected = {"status": "ok", "experiment": "mine", "variant": "teacher", "task": "classification", "batch_size": size}
    assert call(port, "GET", "/health") == (200, expected)


@pytest.mark.parametrize("inputs", [[["a", "b"]], [], [1], ["a text"] * 257])
def test_what_is_no_input_is_refused_and_the_server_goes_on(port, inputs):
    assert call(port, "POST", "/predict", {"inputs": inputs})[0] == 422
    assert call(port, "POST", "/predict", {"inputs": ["a fine film"]})[0] == 200


def test_latency_is_told_for_each_number_of_clients(delivery, dataset):
    measured = served.measure(delivery, raw_inputs.of_split(dataset, "test"), calls=20)
    assert [(level["clients"], level["requests"]) for level in measured["levels"]] == [(1, 20), (4, 20), (16, 32)]
    for level in measured["levels"]:
        assert 0 < level["p50_ms"] <= level["p90_ms"] <= level["p99_ms"]
        assert level["per_second"] > 1
    assert 0 <= measured["foreign_cpu_share"] <= 1


def test_a_server_that_cannot_start_is_one_line(tmp_path, delivery):
    (tmp_path / "server.py").write_text("raise SystemExit('no model')", encoding="utf-8")
    with pytest.raises(UserError, match="server.py: the server did not start: no model"), served.server(tmp_path):
        pass
