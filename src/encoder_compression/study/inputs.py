"""What the rules of an experiment, of a step and of a search read, and which options they take."""

from dataclasses import dataclass

from encoder_compression.encoders.quantization_config import BLOCK
from encoder_compression.study import delivery_inputs, folds, teachers
from encoder_compression.study.chain import Chain
from encoder_compression.study.study import Study
from encoder_compression.study.techniques import TECHNIQUES

IN_SUMMARY = ("task", "metric", "baseline", "devices", "quality_gate", "budget", "gate", "compare", "encoder", "dataset", "unlabelled")


@dataclass(frozen=True)
class Experiment:
    """An experiment among the studies of the run. A property gives a path, several paths, or ``[]`` where there is nothing to read."""

    studies: dict[str, Study]
    name: str

    @property
    def study(self) -> Study:
        """The experiment with its options."""
        return self.studies[self.name]

    @property
    def first_seed(self) -> int:
        """The seed of what is made for all seeds."""
        return self.study.options["seeds"][0]

    @property
    def encoder(self) -> str | list:
        """The model of another experiment that is the encoder of this one."""
        source = self.study.options["encoder"]
        return self.model_of(source["variant"]) if "variant" in source else []

    @property
    def encoder_options(self) -> dict:
        """Where the encoder comes from, what gives its vocabulary, and where a step cuts its rows into blocks, of how many weights."""
        source = self.study.options["encoder"]
        asked = "vocabulary_of_train" in source.get("random", {})
        texts = {"texts": {key: self.study.options[key] for key in ("dataset", "task")}} if asked else {}
        return source | texts | ({"blocks": BLOCK} if self.study.cuts_blocks() else {})

    @property
    def language_model(self) -> str:
        """The model of another experiment that replaces words of train."""
        return self.model_of(self.study.options["unlabelled"]["replaced"]["model"])

    def model_of(self, reference: dict) -> str:
        """Return the model of a variant of another experiment; ``reference`` names experiment, variant and seed."""
        return self.studies[reference["experiment"]].folder(reference["variant"], reference["seed"], "model")

    @property
    def measurements(self) -> list[str]:
        """The measurement of every row and of all that they are compared with."""
        rows = self.study.table_rows()
        folders = {folder for row in rows for folder in (row["baseline"], row["same_runtime"], *row["folder_of"].values())}
        return sorted(f"{folder}/measurement.json" for folder in folders)

    @property
    def profiles(self) -> list[str]:
        """The profiles that belong to every run of the experiment."""
        return self.study.profiles()

    @property
    def trained_models(self) -> list[str]:
        """The models that the chains of the experiment trained."""
        return sorted({model for row in self.study.table_rows() for model in row["trained"]})

    @property
    def pretrained_models(self) -> list[str]:
        """The models of other experiments that those of this one start from or learn from, and all that their own chains trained."""
        steps = [self.study.step_options(chain) for variant, *_ in self.study.rows() for chain in Chain(variant).prefixes]
        named = [self.study.options["encoder"].get("variant"), *(step.get("start") for step in steps), *map(teachers.reference, steps)]
        behind = (self.studies[each["experiment"]].trained(each["variant"], each["seed"]) for each in named if isinstance(each, dict))
        return sorted({model for models in behind for model in models})

    @property
    def compressed_models(self) -> list[str]:
        """The compressed weights that belong to every run of the experiment."""
        return [artifact["folder"] for artifact in self.study.artifacts() if artifact["form"] == "compressed"]

    @property
    def processes_times(self) -> str | list:
        """What a training takes in one process and in several, where the experiment asks."""
        return f"results/{self.name}/processes/times.csv" if "processes" in self.study.options else []

    @property
    def processes_options(self) -> dict:
        """In which numbers of processes to time which training: that of the baseline's first step."""
        first = self.study.step_options(Chain(self.study.options["baseline"]["variant"]).first)
        return {"numbers": self.study.options["processes"], "training": first["training"], "metric": self.study.options["metric"]}

    @property
    def delivery_reads(self) -> list[str]:
        """The artifacts, measurements and data sets of the rows that may be delivered."""
        return delivery_inputs.reads(self.study)

    @property
    def delivery_options(self) -> dict:
        """What the delivery needs to know of the experiment."""
        return delivery_inputs.options(self.study)

    @property
    def screening(self) -> str | list:
        """The table of what was screened before the study, where there is one."""
        return delivery_inputs.screening(self.study)

    @property
    def summary_options(self) -> dict:
        """What the tables, the report and the model cards need to know of the experiment."""
        named = {name: self.study.options[name] for name in IN_SUMMARY if name in self.study.options}
        return named | {"rows": self.study.table_rows(), "artifacts": self.study.artifacts()}


@dataclass(frozen=True)
class Step(Experiment):
    """The last step of a chain, for a seed: its inputs by the names of `techniques.Technique.reads`, and its options."""

    chain: Chain
    seed: int

    @property
    def technique(self) -> str:
        """The name of the step's technique."""
        return self.study.last_technique(self.chain).name

    @property
    def options(self) -> dict:
        """The options of the step."""
        return self.study.step_options(self.chain)

    @property
    def options_with_metric(self) -> dict:
        """The options of the step, with the metric by which it may choose."""
        return self.options | {"metric": self.study.options["metric"]}

    @property
    def reads(self) -> dict[str, str | list]:
        """What the rule of the step reads beside encoder and data set, by the names of its inputs."""
        return {name: getattr(self, name) for name in TECHNIQUES[self.technique].reads}

    @property
    def parent(self) -> str | list:
        """The model that the step starts from; nothing where it is the first one."""
        return self.study.folder(self.chain.parent, self.seed, "model") if self.chain.parent else []

    @property
    def parent_graph(self) -> str:
        """The ONNX graph that a quantize step starts from."""
        return self.study.folder(self.chain.parent, self.seed, "onnx")

    @property
    def parent_openvino(self) -> str:
        """The model in OpenVINO's form that a quantize step starts from."""
        return self.study.folder(self.chain.parent, self.seed, "openvino")

    @property
    def others(self) -> list[str]:
        """The models of the same seed whose weights are averaged with the parent's."""
        return [self.study.folder(variant, self.seed, "model") for variant in self.options["with"]]

    @property
    def teacher(self) -> str | list:
        """The model that the step learns from; of another experiment only where the loss asks for its answers."""
        reference = teachers.reference(self.options)
        if reference and teachers.asks_teacher(self.options["loss"]):
            return self.model_of(reference)
        if not self.study.is_taught_in_chain(self.chain):
            return []
        return self.study.folder(self.study.teacher(self.chain), self.seed, "model")

    @property
    def soft_targets(self) -> str | list:
        """The teacher's logits, where the loss uses them and they are kept."""
        form = self.study.soft_targets_form(self.chain)
        return self.study.targets(self.chain, self.seed, form) if form else []

    @property
    def start(self) -> str | list:
        """The model of another experiment that a student starts from."""
        start = self.options["start"]
        return self.model_of(start) if isinstance(start, dict) else []

    @property
    def unlabelled(self) -> str | list:
        """The unlabeled text that a student reads, or that says how long its control trains."""
        return f"results/{self.name}/unlabelled" if self.options["unlabelled"] else []

    @property
    def unlabelled_targets(self) -> str | list:
        """The teacher's logits on the unlabeled text, where the loss uses them."""
        asked = self.options["unlabelled"] and self.options["loss"]["soft"]
        return self.study.targets(self.chain, self.seed, "unlabelled_targets") if asked else []

    @property
    def times(self) -> str | list:
        """What the parent's structures take on the device that the step is to be fast on."""
        if "target" not in self.options:
            return []
        whole = self.studies[folds.whole_of(self.name)]  # times are a matter of shapes, which all seeds and folds share
        return whole.folder(self.chain.parent, self.first_seed, f"structure_times/{self.options['target']['device']}/times.json")

    @property
    def best(self) -> str | list:
        """The options that were searched for the step, those of a fold with the whole experiment."""
        step = self.study.searched_step(self.chain)
        return f"results/{folds.whole_of(self.name)}/search/{step}/best.json" if step else []

    @property
    def dataset(self) -> str:
        """The data set that the variant reads."""
        return self.study.dataset(self.chain, self.seed)


@dataclass(frozen=True)
class Search(Experiment):
    """The search of a step's options: the trials train the step, behind the chain that the search names, for the first seed."""

    step: str

    @property
    def trained(self) -> Step:
        """The step that the trials train."""
        return self._step_of(self.name)

    def _step_of(self, experiment: str) -> Step:
        """Return the step that the trials train, of the experiment or of one of its folds."""
        return Step(self.studies, experiment, self.study.searched_chain(self.step), self.first_seed)

    @property
    def reads(self) -> dict[str, str | list]:
        """What the trials read, by the names of the technique's parameters: a path each, or one for each fold."""
        names = [fold.name for fold in folds.of_search(self.name, self.options)]
        reads = [_reads_of(self._step_of(name)) for name in names or [self.name]]
        return {key: [read[key] for read in reads if read[key]] for key in reads[0]} if names else reads[0]

    @property
    def options(self) -> dict:
        """How the options of the step are searched."""
        return self.study.options["search"][self.step]

    @property
    def workers(self) -> list[str]:
        """What the workers of the search leave."""
        numbers = range(1, self.options["workers"] + 1)
        return [f"results/{self.name}/search/{self.step}/worker{number}/trials.json" for number in numbers]


def _reads_of(step: Step) -> dict[str, str | list]:
    """Return all that a function of a technique reads, the encoder and the data set too."""
    return {"encoder": f"results/{step.name}/base", "dataset": f"results/{step.name}/dataset"} | step.reads
