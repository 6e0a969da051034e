"""Model cards: a README.md in each artifact's folder, in the format of the Hugging Face Hub."""

import json
import re
import shlex
from functools import cache
from pathlib import Path

import pandas as pd
from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from encoder_compression.data import tasks
from encoder_compression.encoders import encoder_facts, removed_heads
from encoder_compression.encoders.architectures import Architecture
from encoder_compression.encoders.safety import CONFIG
from encoder_compression.errors import UserError
from encoder_compression.reporting.text import figure
from encoder_compression.study.chain import Chain, is_control
from encoder_compression.study.forms import FORM_OF_RUNTIME, GRAPHS
from encoder_compression.study.techniques import TECHNIQUES

FILE_NAME = "README.md"
LIBRARIES = {"model": "transformers", "compressed": "safetensors", "adapter": "peft", "onnx": "onnxruntime", "openvino": "openvino"}
PACKAGES = {  # that the code of a card imports
    "model": ("transformers", "torch"),
    "compressed": ("transformers", "torch", "pyarrow"),
    "adapter": ("transformers", "torch", "peft"),
    "onnx": ("onnxruntime", "tokenizers"),
    "openvino": ("openvino", "tokenizers"),
}
QUANTIZERS = {"bitsandbytes": ("accelerate", "bitsandbytes"), "torchao": ("torchao",)}  # what transformers needs besides
IN_MODEL = ("compressed", "adapter")  # forms of weights that were measured as model/
HUB_METRICS = {"macro_f1": "f1", "matthews": "matthews_correlation"}  # where the hub's name is not ours


def write_cards(*, experiment: str, options: dict, artifacts: list[dict], rows: list[dict], dataset: dict, base: dict) -> dict:
    """Write README.md into the folder of each artifact; returns how many as facts.

    ``options`` holds task, encoder, dataset, metric, devices and baseline of the experiment. An artifact has "folder", "form"
    (model, compressed, adapter, onnx or openvino), "variant", "seed" and "steps", each with "step", "technique" and "options". ``rows`` are
    those of the table per seed: scores and shares from 0 to 1, times in ms, sizes in MB, None or NaN where there is no figure, and
    text in "verdict" and "machine", versions in "packages". ``dataset`` is the content of dataset.json, ``base`` holds
    the facts in the provenance of the encoder. The same arguments give the same bytes. Raises UserError, before any card is
    written, where a folder is gone.
    """
    gone = [artifact["folder"] for artifact in artifacts if not Path(artifact["folder"]).is_dir()]
    if gone:
        raise UserError(f"no card can be written for '{gone[0]}': the folder is gone; run the workflow again to make it")
    rows = [{key: None if value != value else value for key, value in row.items()} for row in rows]  # NaN is not itself
    for artifact in artifacts:
        own_rows = [row for row in rows if _is_of(row, artifact)]
        text = _render(experiment=experiment, options=options, artifact=artifact, rows=own_rows, dataset=dataset, base=base)
        (Path(artifact["folder"]) / FILE_NAME).write_text(text, encoding="utf-8")
    return {"cards": len(artifacts)}


def _render(**facts) -> str:
    """Return the text of one card; ``facts`` are the names that the template knows, ``rows`` only the artifact's own."""
    experiment, artifact = facts["experiment"], facts["artifact"]
    return _template().render(
        metadata=_metadata(**facts).to_yaml(),
        folder=Path(artifact["folder"]).name,
        below=_below(artifact),
        pair="text_pair" in facts["options"]["dataset"]["columns"],
        unit=tasks.load(facts["options"]["task"]).UNIT,
        command=_command(experiment, artifact),
        kept_in_float=_kept_in_float(Path(artifact["folder"])),
        needs=_needs(artifact, facts["rows"]),
        measured=_measured(facts["options"], facts["rows"]),
        learnt=_learnt(artifact),
        cut=_cut(Path(artifact["folder"])),
        steps=_described(artifact, facts["options"]["task"]),
        limits=_limits(artifact),
        **facts,
    )


def _needs(artifact: dict, rows: list[dict]) -> list[str]:
    """Return the packages of a card's code, in the versions that its first row was measured with: ``torch==2.9.0``."""
    names = [*PACKAGES[artifact["form"]]]
    if artifact["form"] == "adapter" and artifact["steps"][-1]["options"].get("qlora"):
        names.append("bitsandbytes")
    names += QUANTIZERS.get(artifact["steps"][-1]["options"].get("method"), ())
    versions = rows[0]["packages"] if rows else {}
    return [f"{name}=={versions[name].partition('+')[0]}" if name in versions else name for name in names]


def _measured(options: dict, rows: list[dict]) -> dict | None:
    """Return the device of an artifact's first row and its threads; None where it was not measured."""
    return {"device": rows[0]["device"], "threads": options["devices"][rows[0]["device"]]["threads"]} if rows else None


def _learnt(artifact: dict) -> bool:
    """Say whether any step fitted weights to the data set: an encoder that came with its head, quantized, has learnt nothing from it."""
    return any(TECHNIQUES[step["technique"]].learns(step["options"]) for step in artifact["steps"])


def _kept_in_float(folder: Path) -> list[str] | None:
    """Return the products that an automatic choice left in float, by the table beside the graph; None where nothing was chosen."""
    if not (folder / "sensitivity.csv").exists():
        return None
    table = pd.read_csv(folder / "sensitivity.csv")
    return table.loc[table["kept_in_float"], "product"].tolist()


def _cut(folder: Path) -> Architecture | None:
    """Return the adapter of a model's architecture where the folder's config names removed heads; else None."""
    if not (folder / CONFIG).exists() or not removed_heads.read(folder):
        return None
    return encoder_facts.architecture(folder)


def _below(artifact: dict) -> str:
    """Return the path, from the folder of an adapter, of the model that its updates belong to."""
    parent = Chain(artifact["variant"]).parent
    from_base = not parent or artifact["steps"][-1]["options"].get("start") == "pretrained"
    return "../../../base" if from_base else f"../../../{parent}/seed{artifact['seed']}/model"


def _is_of(row: dict, artifact: dict) -> bool:
    """A row belongs to the artifact that its runtime reads, to the same weights compressed, and to the updates merged in them."""
    same_model = (row["variant"], row["seed"]) == (artifact["variant"], artifact["seed"])
    read = "model" if artifact["form"] in IN_MODEL else artifact["form"]
    return same_model and FORM_OF_RUNTIME[row["runtime"]] == read


def _metadata(*, experiment: str, options: dict, artifact: dict, rows: list[dict], base: dict, **_) -> ModelCardData:
    """Return the card's header; what is not known, such as the licence of a local encoder, has no key in it."""
    results = [_result(experiment, options, row) for row in rows]
    return ModelCardData(
        base_model=options["encoder"].get("hub", {}).get("id"),
        library_name=_library(artifact),
        license=base.get("license"),
        pipeline_tag=tasks.load(options["task"]).HUB_NAME,
        tags=_tags(artifact),
        datasets=[options["dataset"]["hub"]["id"]] if "hub" in options["dataset"] and _learnt(artifact) else None,
        metrics=[_hub_metric(options["metric"])],
        model_name=f"{experiment} {artifact['variant']} seed {artifact['seed']}" if results else None,
        eval_results=results or None,
    )


def _library(artifact: dict) -> str:
    """Return the library that loads an artifact; transformers has no class of its own for a static model."""
    without_class = artifact["form"] == "model" and any(step["technique"] == "static" for step in artifact["steps"])
    return "safetensors" if without_class else LIBRARIES[artifact["form"]]


def _tags(artifact: dict) -> list[str]:
    """Return what the hub's search finds the artifact by; a control is no distilled model."""
    steps = [step for step in artifact["steps"] if not is_control(step["step"])]
    tags = [tag for step in steps for tag in TECHNIQUES[step["technique"]].tags(step["options"])]
    return [*dict.fromkeys(tags), *([artifact["form"]] if artifact["form"] in GRAPHS else []), "encoder-compression"]


def _described(artifact: dict, task: str) -> list[dict]:
    """Return the steps of an artifact with what each did in words."""
    corpus = task == tasks.MASKED
    return [step | {"words": TECHNIQUES[step["technique"]].describe(step["options"], corpus)} for step in artifact["steps"]]


def _limits(artifact: dict) -> list[str]:
    """Return what the techniques of an artifact's steps say of its use, each once."""
    limits = [TECHNIQUES[step["technique"]].limits(step["options"], artifact["form"]) for step in artifact["steps"]]
    return list(dict.fromkeys(limit for of_step in limits for limit in of_step))


def _result(experiment: str, options: dict, row: dict) -> EvalResult:
    """Return a row's score as an entry of the hub's model-index."""
    return EvalResult(
        task_type=tasks.load(options["task"]).HUB_NAME,
        metric_type=_hub_metric(row["metric"]),
        metric_name=f"{row['metric']} on {row['device']}",
        metric_value=round(float(row["score"]), 6),
        **_dataset(experiment, options["dataset"]),
    )


def _hub_metric(metric: str) -> str:
    return HUB_METRICS.get(metric, metric)


def _dataset(experiment: str, section: dict) -> dict:
    """Return how the model-index names the test split; only a data set of the hub may claim an id of the hub."""
    if "hub" in section:
        hub = section["hub"]
        keys = {"dataset_type": hub["id"], "dataset_name": hub["id"], "dataset_config": hub["name"]}
        return keys | {"dataset_revision": hub["revision"], "dataset_split": hub["splits"].get("test")}
    if "package" in section:
        return {"dataset_type": "package", "dataset_name": section["package"]["name"], "dataset_split": "test"}
    return {"dataset_type": "files", "dataset_name": experiment, "dataset_split": "test"}


def _command(experiment: str, artifact: dict) -> str:
    """Return the shell command that makes the artifact again."""
    target = f"results/{experiment}/{artifact['variant']}/seed{artifact['seed']}/{artifact['form']}"
    config = f"experiments=[{json.dumps(experiment, ensure_ascii=False)}]"
    return f"snakemake --cores all --config {shlex.quote(config)} -- {shlex.quote(target)}"


@cache
def _template() -> Template:
    """Return the template of a card with its filters; a name that it misspells is an error."""
    loader = FileSystemLoader(Path(__file__).parent / "card")
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters |= {"plain": _plain, "figure": figure, "flat": _flat, "name": lambda path: Path(path).name}
    environment.filters["code"] = lambda text: f"`{text}`"
    return environment.get_template("card.md.j2")


def _plain(text) -> str:
    """Return text that Markdown shows as it stands, in one line and in the cell of a table too."""
    return re.sub(r"([\\`*_\[\]<>|#~&$])", r"\\\1", " ".join(str(text).split()))


def _flat(options: dict, prefix: str = "") -> list[str]:
    """Return nested options as sorted ``key.key: value``."""
    lines = []
    for key, value in sorted(options.items()):
        lines += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}: {value}"]
    return lines
