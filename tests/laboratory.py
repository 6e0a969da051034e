"""All jobs of a study, run one after the other on models of two layers and a training or two of one step."""

import inspect
import json
from importlib import import_module
from pathlib import Path

import corpora
from conftest import ROOT
from encoder_compression.config.references import check_references
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.replacement import replace_words
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.data.train_vocabulary import prepare_with_vocabulary
from encoder_compression.data.unlabelled import prepare_unlabelled
from encoder_compression.export import openvino_model
from encoder_compression.export.onnx_graph import export
from encoder_compression.measurement.measure import measure
from encoder_compression.quantization import pytorch_model
from encoder_compression.run import provenance
from encoder_compression.search import trials
from encoder_compression.search.choice import choose
from encoder_compression.study.fitted import Fitted
from encoder_compression.study.inputs import Experiment
from encoder_compression.study.nested import merge
from encoder_compression.study.study import Study
from encoder_compression.study.techniques import TECHNIQUES
from encoder_compression.study.twins import timed_as
from encoder_compression.teaching.given_targets import fit_probabilities
from encoder_compression.teaching.soft_targets import predict_soft_targets
from encoder_compression.teaching.top_logits import predict_top_logits
from encoder_compression.techniques.distill import distill
from encoder_compression.techniques.quantize import quantize
from encoder_compression.training.train import Goal
from own_experiments import TINY, load_options
from recorded_options import Recorded
from saved_rows import CHOSEN, COSTS, GATE, Rooted, SavedStudy

AVERAGED = {"weights": {"ema": 0.9}}
ONE_EPOCH = {"epochs": 1} | AVERAGED
ONE_STEP = {"training": {"steps": 1, "batch_size": 8} | AVERAGED, "gate": 0}
TAUGHT = {"loss": {"hard": 0.2, "soft": 0.5, "hidden": 0.2, "relation": 0.1}, "temperature": {"from": 2, "to": 1}} | ONE_STEP
TIMES = {
    "layers": 2,
    "whole_ms": 8,
    "heads": [{"kept": 2, "ms": 8}, {"kept": 1, "ms": 7}],
    "neurons": [{"kept": 64, "ms": 8}, {"kept": 8, "ms": 1}],
}
EXPERIMENT = merge(
    TINY | {"runtimes": {}},
    {
        "finetune": {"teacher": {"training": {"epochs": 1}}, "frozen": {"freeze": "embeddings"} | {"training": {"steps": 1} | AVERAGED}},
        "lora": {"lora4": TAUGHT | {"training": ONE_EPOCH}},
        "distill": {"even1": TAUGHT | {"training": ONE_EPOCH, "layer_map": [2]}, "slim": TAUGHT | {"layers": [1], "hidden_size": 32}},
        "shrink": {
            "width40": TAUGHT | {"training": ONE_EPOCH},
            "fast": {"target": {"speedup": 1.5, "device": "cpu-pytorch"}} | ONE_STEP,
        },
        "prune": {"magnitude60": TAUGHT | {"training": ONE_EPOCH, "score": "fisher", "calibration": 8}},
        "qat": {"aware8": TAUGHT | {"training": ONE_EPOCH}},
        "search": {
            "frozen": {
                "space": {
                    "training.learning_rate": {"low": 1.0e-4, "high": 1.0e-3, "log": True},
                    "training.batch_size": {"choices": [4, 8]},
                },
                "trials": 2,
                "objectives": ["score", "multiplications"],
            },
            "even1": {"parent": "teacher", "space": {"temperature": {"low": 1, "high": 2}}},
        },
        "encoder": {"random": {"hidden_size": 64}},  # 4 bits need rows of 64
        "quantize": {"nf4": {"method": "bitsandbytes", "bits": 4}, "llm8": {"method": "bitsandbytes"}, "torch8": {"method": "torchao"}},
        "quality_gate": {"retained": 0.5},
        "measure": {"seconds": 1, "grid": {"batch_sizes": [1], "lengths": [8], "calls": 2}},
        "average": {"soup": {"with": ["frozen"]}},
        "static": {"static8": TAUGHT | {"training": ONE_EPOCH, "dimensions": 8, "loss": {"hidden": 0, "relation": 0}}},
        "bag_of_words": {"bag": {}},
        "variants": [
            "teacher",
            "frozen",
            *(f"teacher+{step}" for step in ("lora4", "even1", "magnitude60", "fast", "width40", "soup", "static8", "aware8+int8")),
            "bag",
        ],
        "runtimes": {"teacher+lora4": ["pytorch"]},
        "compare": [["teacher", "frozen"]],
        "profile": ["teacher"],
        "seeds": [1, 2],
    },
)
OTHER = {key: TINY[key] for key in ("encoder", "finetune")} | {"variants": ["teacher"]}
SPLIT = {"split": {"validation": 0.2, "test": 0.25}}
CORPUS = OTHER | {
    "task": "masked-language-modelling",
    "dataset": {"files": {"train": str(corpora.CORPUS)}, "format": {"separator": ""}, "max_length": 32} | SPLIT,
}
QUESTIONS = OTHER | {
    "task": "question-answering",
    "dataset": {"files": {"train": str(ROOT / "tests/data/tiny_squad.json")}, "max_length": 60, "stride": 20} | SPLIT,
}
MODEL = {"experiment": "corpus", "variant": "teacher"}
REFERRING = {
    "encoder": {"variant": MODEL},
    "dataset": TINY["dataset"],
    "unlabelled": {"replaced": {"model": MODEL}},
    "finetune": TINY["finetune"],
    "distill": {"whole": {"layers": "first", "keep": 2, "start": MODEL}},
    "variants": ["teacher", "teacher+whole"],
}


BIG = {key: TINY[key] for key in ("encoder", "dataset", "finetune")} | {"variants": ["teacher"]}
TAUGHT_ELSEWHERE = {
    "encoder": {"random": {"architecture": "bert", "vocabulary_of_train": True}},
    "dataset": TINY["dataset"],
    "distill": {
        "small": {"teacher": {"experiment": "big", "variant": "teacher"}} | ONE_STEP,
        "given": {"soft_targets": {"files": {"train": str(ROOT / "tests/data/tiny.csv")}, "classes": {"0": "p0", "1": "p1"}}} | ONE_STEP,
    },
    "variants": ["small", "given"],
    "baseline": {"variant": "small-control"},
}


class Laboratory:
    """A folder in which the jobs of a study run, one after the other, on options that note who reads them."""

    def __init__(self, folder: Path):
        self.folder, self.reads = folder, set()
        self.options = Recorded(load_options(folder, ["mine"], mine=EXPERIMENT)["mine"], self.reads, ())
        self.encoder, self.dataset = folder / "encoder", folder / "dataset"
        self.goal = Goal(dataset=self.dataset, metric="accuracy", seed=1, name="test")
        self.teacher = folder / "teacher" / "model"

    def recorded(self, options: dict, *place: str) -> Recorded:
        return Recorded(options, self.reads, place)

    def run_all(self) -> None:
        """Run every job once; then ``reads`` has the places of all options that were read."""
        self.prepare()
        self.prepare_other_tasks()
        self.prepare_more_texts()
        self.train()
        self.train_on_corpus()
        self.quantize()
        self.measure()
        self.search()
        self.plan()
        self.plan_references()
        self.learn_from_elsewhere()
        self.summarize()

    def prepare(self) -> None:
        prepare_encoder(source=self.options["encoder"], output=self.encoder)
        again = {"random": {key: value for key, value in self.options["encoder"]["random"].items() if key != "vocabulary_from"}}
        again["random"]["tokenizer"] = str(self.encoder)
        prepare_encoder(source=self.recorded(again, "encoder"), output=self.folder / "again")
        prepare_encoder(source=self.recorded({"files": {"folder": str(self.encoder)}}, "encoder"), output=self.folder / "copy")
        self.describe(self.options["dataset"], "classification", self.dataset)
        prepare_unlabelled(
            options=self.options["unlabelled"], dataset=self.dataset, encoder=self.encoder, output=self.folder / "unlabelled"
        )

    def describe(self, options: dict, task: str, output: Path) -> None:
        prepare_dataset(options=options, task=task, encoder=self.encoder, output=output)

    def prepare_other_tasks(self) -> None:
        """Prepare a table without a header, questions and a corpus."""
        lines = (ROOT / "tests/data/tiny.csv").read_text(encoding="utf-8").splitlines()[1:]
        (self.folder / "plain.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        source = {"files": {"train": str(self.folder / "plain.csv")}, "format": {"header": False, "names": ["text", "label"]}}
        self.describe(self.options["dataset"] | source, "classification", self.folder / "plain")
        for experiment in (CORPUS, QUESTIONS):
            folder = self.folder / experiment["task"]
            folder.mkdir()
            options = load_options(folder, ["mine"], mine=experiment)["mine"]["dataset"]
            self.describe(self.recorded(options, "dataset"), experiment["task"], folder / "dataset")

    def prepare_more_texts(self) -> None:
        lines = (ROOT / "tests/data/tiny_more.csv").read_text(encoding="utf-8").splitlines()
        (self.folder / "more.csv").write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")
        source = {"files": {"train": str(self.folder / "more.csv")}, "format": {"header": False, "names": lines[0].split(",")}}
        options = self.options["unlabelled"] | source
        prepare_unlabelled(options=options, dataset=self.dataset, encoder=self.encoder, output=self.folder / "more")

    def train(self) -> None:
        """Run every step that makes a model of another one or of the encoder."""
        self.run_steps("finetune")
        for dataset in (self.dataset, self.folder / "unlabelled"):
            predict_soft_targets(teacher=self.teacher, dataset=dataset, output=self.folder / f"{dataset.name}_targets", name="test")
        (self.folder / "times.json").write_text(json.dumps(TIMES), encoding="utf-8")
        for technique in [name for name in TECHNIQUES if name not in ("finetune", "quantize")]:
            self.run_steps(technique)

    def run_steps(self, technique: str) -> None:
        """Run the steps of a technique, and record the facts about their models."""
        function = getattr(import_module(f"encoder_compression.techniques.{technique}"), technique)
        for step, options in self.options[technique].items():
            folder = self.folder / step
            folder.mkdir()
            arguments = {"goal": self.goal, "options": options} | self.inputs(options) | self.outputs(folder)
            facts = function(**{name: arguments[name] for name in inspect.signature(function).parameters})
            made = folder / TECHNIQUES[technique].forms(options)[0]
            provenance.write(made, options={}, inputs={}, seconds=0, facts=facts)

    def inputs(self, options: dict) -> dict:
        """Return what a rule gives to a step with these options, by the names of the parameters of techniques."""
        return {
            "encoder": self.encoder,
            "parent": self.teacher,
            "teacher": self.teacher,
            "others": [self.folder / "frozen" / "model"],
            "soft_targets": self.folder / "dataset_targets",
            "unlabelled": self.folder / "unlabelled",
            "unlabelled_targets": self.folder / "unlabelled_targets",
            "times": self.folder / "times.json" if "target" in options else None,
            "start": None,
        }

    def outputs(self, folder: Path) -> dict:
        outputs = {"model": "model", "adapter": "adapter", "graph": "onnx", "curve": "training.csv", "dataset": "dataset"}
        return {name: folder / file for name, file in outputs.items()}

    def train_on_corpus(self) -> None:
        """Distil on the largest logits at the masked tokens, and replace words of train by the teacher's guesses."""
        goal = Goal(dataset=self.folder / CORPUS["task"] / "dataset", metric="masked_accuracy", seed=1, name="test")
        folder = corpora.tuned(self.folder / "corpus", self.encoder, goal, epochs=1)
        logits = self.folder / "top_logits"
        predict_top_logits(teacher=folder / "model", dataset=goal.dataset, seed=1, count=4, output=logits, name="test")
        options = dict(self.options["distill"]["even1"].items()) | {"loss": {"hard": 0.1, "soft": 0.9, "hidden": 0, "relation": 0}}
        distill(
            parent=folder / "model",
            teacher=folder / "model",
            encoder=self.encoder,
            start=None,
            soft_targets=logits,
            unlabelled=None,
            unlabelled_targets=None,
            goal=goal,
            options=self.recorded(options | {"top_logits": 4}, "distill", "even1"),
            model=self.folder / "student",
            curve=self.folder / "student.csv",
        )
        words = self.recorded({"copies": 1, "share": 0.2, "candidates": 3}, "unlabelled", "replaced")
        replace_words(model=folder / "model", dataset=self.dataset, options=words, output=self.folder / "replaced", name="test")

    def quantize(self) -> None:
        graph, intermediate = self.folder / "onnx", self.folder / "openvino"
        export(model=self.teacher, options=self.options["export"], output=graph)
        openvino_model.convert(model=self.teacher, graph=graph, options=self.options["export"], output=intermediate)
        for step in ("int8", "mixed", "int4"):
            options = self.options["quantize"][step] | {"metric": self.options["metric"]}
            quantize(parent=graph, dataset=self.dataset, options=options, output=self.folder / step, name="test")
        options = self.options["quantize"]["openvino8"]
        openvino_model.quantize(parent=intermediate, dataset=self.dataset, options=options, output=self.folder / "openvino8")

        for step in ("nf4", "llm8", "torch8"):
            options = self.options["quantize"][step]
            pytorch_model.quantize(parent=self.teacher, dataset=self.dataset, options=options, output=self.folder / step)

    def measure(self) -> None:
        options = self.options["measure"] | {"metric": self.options["metric"]}
        measure(
            artifact=self.teacher,
            device=self.options["devices"]["cpu-pytorch"],
            partner=(self.teacher, self.options["devices"]["cpu-pytorch"], self.dataset),
            dataset=self.dataset,
            options=options,
            timed_as=None,
            measurement=self.folder / "measurement.json",
            predictions=self.folder / "predictions.parquet",
            name="test",
        )

    def search(self) -> None:
        journal, output, search = self.folder / "journal.log", self.folder / "worker1" / "trials.json", self.options["search"]["frozen"]
        output.parent.mkdir()
        trials.work(
            technique="finetune",
            parts=[{"encoder": self.encoder}],
            goal=self.goal,
            options=self.options["finetune"]["frozen"],
            search=search,
            worker=1,
            journal=journal,
            output=output,
        )
        outputs = {"best": self.folder / "best.json", "table": self.folder / "trials.csv", "picture": self.folder / "search"}
        choose(step="frozen", search=search, journal=journal, workers=[output], **outputs)

    def plan(self) -> None:
        """Ask the study for all that decides which jobs there are."""
        study = Study("mine", self.options)
        study.table_rows()
        study.artifacts()
        timed_as(study, "frozen", "cpu-pytorch")

    def plan_references(self) -> None:
        """Read an experiment that takes its encoder, a start and a language model from another one."""
        folder = self.folder / "referring"
        folder.mkdir()
        experiments = load_options(folder, ["mine"], mine=REFERRING, corpus=CORPUS)
        check_references({"mine": Study("mine", self.recorded(experiments["mine"])), "corpus": Study("corpus", experiments["corpus"])})

    def learn_from_elsewhere(self) -> None:
        """Make an encoder of train's words, ask what a student of another experiment reads, and fit probabilities from a file."""
        folder = self.folder / "elsewhere"
        folder.mkdir()
        experiments = load_options(folder, ["mine"], mine=TAUGHT_ELSEWHERE, big=BIG)
        studies = {"mine": Study("mine", self.recorded(experiments["mine"])), "big": Study("big", experiments["big"])}
        check_references(studies)
        source = dict(Experiment(studies, "mine").encoder_options)
        prepare_with_vocabulary(texts=source.pop("texts"), source=source, output=folder / "base")
        assert Fitted(studies, "mine", "small", "soft_targets").reads["files"] == []
        lines = (ROOT / "tests/data/tiny.csv").read_text(encoding="utf-8").splitlines()
        (folder / "given.csv").write_text("\n".join(f"{line},0.3,0.7" for line in lines[1:]), encoding="utf-8")
        changes = {"files": {"train": str(folder / "given.csv")}, "format": {"header": False, "names": ["text", "label", "p0", "p1"]}}
        given = Fitted(studies, "mine", "given", "soft_targets").options | changes
        options = self.recorded(given, "distill", "given", "soft_targets")
        fit_probabilities(options=options, rows=self.dataset, dataset=self.dataset, output=folder / "fitted")

    def summarize(self) -> None:
        """Write tables and cards; what these tell of a step's options does not count as reading them."""
        saved, reads = SavedStudy(self.folder / "saved", "teacher", "teacher+even1"), set()
        saved.study = Rooted("mine", Recorded(saved.study.options, reads, ()))
        for variant, device in saved.groups:
            saved.save(variant, device, **CHOSEN)
        saved.summarize(gate=0.5, release_gate=GATE | COSTS)
        self.reads |= {place for place in reads if place[0] not in TECHNIQUES}
