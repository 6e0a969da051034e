"""Predict with the delivered model: raw texts in, predictions out.

    python predict.py "a fine film"

It needs this folder, numpy, tokenizers and the runtime that settings.json names, in the versions of requirements.txt.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

Batch = dict[str, np.ndarray]  # input_ids, attention_mask and token_type_ids, each int64 [inputs, length]
QUESTION_SHARE = 4  # one part in so many of a window is the most that a question takes
MULTIPLE = 8  # of tokens, to which single inputs are padded for OpenVINO


class Broken(Exception):
    """A delivery that cannot be loaded, in one line."""


class OnnxRuntime:
    """A graph in ONNX Runtime: a batch in, logits out."""

    def __init__(self, folder: Path, settings: dict):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = settings["threads"], 1, 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        provider = "CUDAExecutionProvider" if settings["hardware"] == "cuda" else "CPUExecutionProvider"
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=[provider])
        if self.session.get_providers()[0] != provider:
            raise Broken(f"onnxruntime has no {provider} here, on which the model was measured; install a build for it, and its driver")
        self.names = [node.name for node in self.session.get_inputs()]

    def __call__(self, batch: Batch) -> np.ndarray:
        """Return logits [inputs, classes], or of a span's start and end [inputs, 2, length]."""
        outputs = self.session.run(None, {name: batch[name] for name in self.names})
        return outputs[0] if len(outputs) == 1 else np.stack(outputs, axis=1)


class OpenVino:
    """A graph in OpenVINO: single inputs are padded to a multiple of 8 tokens, and the commonest lengths have a graph of their own."""

    def __init__(self, folder: Path, settings: dict):
        sys.modules.setdefault("openvino_telemetry", None)  # it would report the use to a server
        import openvino

        precision = {"float32": openvino.Type.f32, "bfloat16": openvino.Type.bf16}[settings["precision"]]
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        self.options = hints | {"INFERENCE_NUM_THREADS": settings["threads"], "NUM_STREAMS": 1}
        self.core = openvino.Core()
        self.model = self.core.read_model(folder / "openvino_model.xml")
        self.names = [node.get_any_name() for node in self.model.inputs]
        self.longest = settings["positions"]
        self.any_length = self._compiled(self.model)
        self.of_length = {length: self._compiled(self._fixed(length)) for length in settings["lengths"]}

    def _compiled(self, model):
        return self.core.compile_model(model, "CPU", self.options).create_infer_request()

    def _fixed(self, length: int):
        model = self.model.clone()
        model.reshape({name: [1, length] for name in self.names})
        return model

    def __call__(self, batch: Batch) -> np.ndarray:
        """Return logits as `OnnxRuntime` does; one call at a time."""
        size, length = batch["input_ids"].shape
        padded = max(length, min(-(-length // MULTIPLE) * MULTIPLE, self.longest)) if size == 1 else length
        request = self.of_length.get(padded, self.any_length) if size == 1 else self.any_length
        request.infer({name: _padded(batch[name], padded) for name in self.names})
        outputs = [request.get_output_tensor(index).data.copy() for index in range(len(request.model_outputs))]
        return outputs[0] if len(outputs) == 1 else np.stack(outputs, axis=1)[..., :length]


class Sentences:
    """A text, or a list of two, becomes a class with its probability, or a number."""

    def __init__(self, tokenizer: Tokenizer, settings: dict):
        tokenizer.enable_truncation(settings["max_length"], strategy="longest_first")
        tokenizer.no_padding()
        self.tokenizer, self.settings = tokenizer, settings

    def check(self, text) -> None:
        """Raise ValueError where an input is no text, or no two texts."""
        texts = text if self.settings["pair"] and isinstance(text, list | tuple) else [text]
        if len(texts) != 1 + self.settings["pair"] or not all(isinstance(part, str) for part in texts):
            raise ValueError(f"an input is {'a list of two texts' if self.settings['pair'] else 'a text'}, and this is {text!r:.60}")

    def read(self, text: str | list[str]) -> tuple[Batch, None]:
        """Return what the encoder reads; the answer needs nothing else."""
        parts = tuple(part.strip() for part in ([text] if isinstance(text, str) else text))
        (encoding,) = self.tokenizer.encode_batch_fast([parts if self.settings["pair"] else parts[0]])
        return _batch([encoding.ids], [encoding.type_ids] if self.settings["token_types"] else None, self.settings), None

    def answer(self, logits: np.ndarray, rest: None) -> dict:
        """Return what logits [1, outputs] stand for; "flagged" is the class whose threshold the release gate asked for."""
        scores = logits[0].astype(np.float64)
        if self.settings["task"] == "regression":
            return {"number": float(logits[0][0])}
        best = int(scores.argmax())
        if self.settings.get("class_threshold") is not None:
            best = int(scores[1] - scores[0] > self.settings["class_threshold"])
        shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        return {"label": self.settings["labels"][best], "probability": float(shares[best])} | self._flag(scores)

    def _flag(self, scores: np.ndarray) -> dict:
        asked = self.settings.get("recall_threshold")
        if asked is None or asked["log_odds"] is None:
            return {}
        place = self.settings["labels"].index(asked["label"])
        others = np.delete(scores, place)
        odds = scores[place] - others.max() - np.log(np.exp(others - others.max()).sum())
        return {"flagged": bool(odds > asked["log_odds"])}


class Questions:
    """A question and its context become the part of the context that answers it, "" for none; long contexts are read in windows."""

    def __init__(self, tokenizer: Tokenizer, settings: dict):
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer, self.settings = tokenizer, settings
        pair = tokenizer.encode("a", "a")
        question, context = pair.sequence_ids.index(0), pair.sequence_ids.index(1)
        ends = question + pair.sequence_ids.count(0), context + pair.sequence_ids.count(1)
        self.around = pair.ids[:question], pair.ids[ends[0] : context], pair.ids[ends[1] :]
        places = (0, question, ends[0], context, min(ends[1], len(pair.ids) - 1))
        self.types = [pair.type_ids[place] for place in places]

    def check(self, asked) -> None:
        """Raise ValueError where an input is no question with a context."""
        if not (isinstance(asked, dict) and all(isinstance(asked.get(part), str) for part in ("question", "context"))):
            raise ValueError(f'an input is {{"question": …, "context": …}}, and this is {asked!r:.60}')

    def read(self, asked: dict) -> tuple[Batch, tuple]:
        """Return the windows that the encoder reads, and where the tokens of each one lie in the context."""
        question = self.tokenizer.encode_batch_fast([asked["question"].strip()], add_special_tokens=False)[0].ids
        question = question[: self.settings["max_length"] // QUESTION_SHARE]
        passage = self.tokenizer.encode(asked["context"], add_special_tokens=False)
        before, between, after = self.around
        room = self.settings["max_length"] - len(question) - len(before) - len(between) - len(after)
        stride, total = self.settings["stride"], len(passage.ids)
        parts = [slice(begin, begin + room) for begin in range(0, max(1, total - stride), room - stride)]
        windows = [[before, question, between, passage.ids[part], after] for part in parts]
        ids = [sum(pieces, []) for pieces in windows]
        types = [[kind for kind, piece in zip(self.types, pieces, strict=True) for _ in piece] for pieces in windows]
        first = len(before) + len(question) + len(between)
        batch = _batch(ids, types if self.settings["token_types"] else None, self.settings)
        return batch, (asked["context"], first, [passage.offsets[part] for part in parts])

    def answer(self, logits: np.ndarray, rest: tuple) -> dict:
        """Return the likeliest span of all windows, from logits [windows, 2, length]; as the model's study decodes it."""
        context, first, windows = rest
        null, best, place = np.inf, -np.inf, None
        for scores, offsets in zip(logits, windows, strict=True):
            null = min(null, float(scores[0][0]) + float(scores[1][0]))
            score, span = self._best_span(scores[:, first : first + len(offsets)].astype(np.float64))
            if score > best:
                best, place = score, (offsets[span[0]][0], offsets[span[1]][1])
        threshold = self.settings.get("null_threshold")
        odds = null - best if place else 0.0
        if place is None or (threshold is not None and odds > threshold):
            return {"answer": "", "start": None, "end": None}
        return {"answer": context[place[0] : place[1]], "start": place[0], "end": place[1]}

    def _best_span(self, scores: np.ndarray) -> tuple[float, tuple[int, int]]:
        """Return the score of the best span among the context's tokens [2, tokens], and its first and last one."""
        starts, ends = scores
        if not len(starts):
            return -np.inf, (0, 0)
        longest = self.settings["longest_answer"]
        padded = np.concatenate([ends, np.full(longest - 1, -np.inf)])
        spans = starts[:, None] + np.lib.stride_tricks.sliding_window_view(padded, longest)
        first, more = divmod(int(spans.argmax()), longest)
        return float(spans[first, more]), (first, first + more)


RUNTIMES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}
TASKS = {"classification": Sentences, "regression": Sentences, "question-answering": Questions}


class Predictor:
    """The model of a delivery's folder: a list of inputs in, a list of predictions out."""

    def __init__(self, folder: Path | str):
        self.settings = read_settings(Path(folder))
        self.task = load_task(Path(folder), self.settings)
        self.model = load_model(Path(folder), self.settings)

    def __call__(self, inputs: list) -> list[dict]:
        """Return a prediction for each input; ValueError where one is no input of the task."""
        for each in inputs:
            self.task.check(each)
        return predict(inputs, self.task, self.model, self.settings)


def predict(inputs: list, task, model, settings: dict) -> list[dict]:
    """Return a prediction for each input, in batches of those of similar length where batches change no answer."""
    reads = [task.read(each) for each in inputs]
    by_length = sorted(range(len(reads)), key=lambda place: reads[place][0]["input_ids"].shape[1])
    answers: list = [None] * len(reads)
    for begin in range(0, len(by_length), settings["batch_size"]):
        chosen = by_length[begin : begin + settings["batch_size"]]
        logits = model(_joined([reads[place][0] for place in chosen], settings))
        ends = np.cumsum([len(reads[place][0]["input_ids"]) for place in chosen])
        for place, part in zip(chosen, np.split(logits, ends[:-1]), strict=True):
            answers[place] = task.answer(part, reads[place][1])
    return answers


def read_settings(folder: Path) -> dict:
    """Return settings.json; Broken where it or a file that it names is not whole."""
    path = folder / "settings.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        files = settings["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Broken(f"{path}: it is no settings of a delivery ({type(error).__name__}); copy the whole folder anew") from error
    for name, size in files:
        held = (folder / name).stat().st_size if (folder / name).is_file() else 0
        if held != size:
            raise Broken(f"{folder / name}: {held:,} bytes in place of {size:,}; copy the whole folder anew")
    return settings


def load_task(folder: Path, settings: dict):
    """Return what reads inputs and makes answers."""
    return TASKS[settings["task"]](Tokenizer.from_file(str(folder / settings["folder"] / "tokenizer.json")), settings)


def load_model(folder: Path, settings: dict):
    """Return what makes logits of a batch; Broken where the runtime is missing."""
    try:
        if settings["runtime"] == "pytorch":
            from torch_model import TorchModel  # which is delivered with weights alone

            return TorchModel(folder / settings["folder"], settings)
        return RUNTIMES[settings["runtime"]](folder / settings["folder"], settings)
    except ModuleNotFoundError as error:
        raise Broken(f"there is no module {error.name}; install what it needs: pip install --requirement requirements.txt") from error


def _batch(ids: list[list[int]], types: list[list[int]] | None, settings: dict) -> Batch:
    """Return rows of tokens, with padding behind the shorter ones."""
    shape = len(ids), max(map(len, ids))
    batch = {"input_ids": np.full(shape, settings["pad_token_id"], np.int64)}
    batch |= {name: np.zeros(shape, np.int64) for name in ("attention_mask", "token_type_ids")}
    for row, tokens in enumerate(ids):
        batch["input_ids"][row, : len(tokens)], batch["attention_mask"][row, : len(tokens)] = tokens, 1
        if types:
            batch["token_type_ids"][row, : len(tokens)] = types[row]
    return batch


def _joined(batches: list[Batch], settings: dict) -> Batch:
    """Return several batches as one, padded to the longest."""
    if len(batches) == 1:
        return batches[0]
    longest, padding = max(batch["input_ids"].shape[1] for batch in batches), {"input_ids": settings["pad_token_id"]}
    return {name: np.concatenate([_padded(batch[name], longest, padding.get(name, 0)) for batch in batches]) for name in batches[0]}


def _padded(rows: np.ndarray, length: int, value: int = 0) -> np.ndarray:
    return np.pad(rows, ((0, 0), (0, length - rows.shape[1])), constant_values=value)


def inputs_of(arguments: list[str], settings: dict) -> list:
    """Return the inputs that a command line means: texts, or two arguments for each input of two texts. ValueError where one is left."""
    question = settings["task"] == "question-answering"
    if not (question or settings["pair"]):
        return arguments
    if len(arguments) % 2:
        raise ValueError(f"an input has two parts, {'a question and its context' if question else 'two texts'}; one is missing")
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    return [{"question": first, "context": second} for first, second in pairs] if question else [list(pair) for pair in pairs]


def main() -> str | None:
    """Print a line of JSON for each input; return the one line that says what is wrong."""
    parser = argparse.ArgumentParser(description="Predict with the delivered model.")
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="a text; of two texts both, of a question its context behind it")
    arguments = parser.parse_args().texts
    try:
        predictor = Predictor(Path(__file__).resolve().parent)
        for prediction in predictor(inputs_of(arguments, predictor.settings)):
            print(json.dumps(prediction, ensure_ascii=False))
    except (Broken, ValueError) as error:
        return f"Error: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
