"""What is compared: what a user types for each candidate, and how its artifact is run."""

from dataclasses import dataclass
from pathlib import Path

ENVIRONMENTS = Path(__file__).parent / "environments"
HERE = ""  # the environment of this checkout
TEACHER = "model"  # the artifact of who takes the teacher as it is
NOTHING = "nothing"
IF_ASKED = "accuracy on validation, if asked"


@dataclass(frozen=True)
class Candidate:
    """A row of the table.

    ``commands`` are typed in a folder with model/, train.csv, validation.csv and test.csv, in the environment that
    ``environments/{environment}/`` describes; scripts of that folder lie there, too. ``artifact`` is what they leave, and ``loader`` the
    module of `peers.loaders` that runs it. ``reports`` is what the tool says of quality by itself,
    and ``call`` what is to be written beside the commands.
    """

    name: str
    environment: str
    commands: tuple[str, ...]
    artifact: str
    loader: str
    reports: str
    call: str = ""

    @property
    def folder(self) -> str:
        """The name of the folder that the candidate is made in."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name.lower()).strip("-")

    def scripts(self) -> list[Path]:
        """Return the scripts that the commands run."""
        words = {word for command in self.commands for word in command.split()}
        return sorted(path for path in (ENVIRONMENTS / self.environment).glob("*.py") if path.name in words) if self.environment else []


REFERENCE = Candidate("PyTorch, float32", HERE, (), TEACHER, "torch_model", "")
EXPORT = "optimum-cli export onnx --model model --task text-classification exported"
QUANTIZE = "optimum-cli onnxruntime quantize --onnx_model exported --avx512_vnni --output int8"
OLIVE = "--model_name_or_path model --task text-classification --precision int8 --output_path optimized"
PEERS = (
    Candidate("PyTorch, bfloat16", "torchao", (), TEACHER, "bfloat16_model", NOTHING, call="`dtype=torch.bfloat16`"),
    Candidate(
        "torchao, W8A8, compiled",
        "torchao",
        ("python quantize.py",),
        "int8",
        "torchao_model",
        NOTHING,
        call="`torch.compile(model, dynamic=True)`",
    ),
    Candidate("optimum-onnx, INT8", "optimum_onnx", (EXPORT, QUANTIZE), "int8", "onnx_graph", NOTHING),
    Candidate("optimum-onnx, INT8 per channel", "optimum_onnx", (EXPORT, f"{QUANTIZE} --per_channel"), "int8", "onnx_graph", NOTHING),
    Candidate("Olive optimize, INT8", "olive", (f"olive optimize {OLIVE}",), "optimized", "onnx_graph", NOTHING),
    Candidate("Olive auto-opt, INT8", "olive", (f"olive auto-opt {OLIVE}",), "optimized", "onnx_graph", NOTHING),
    Candidate("NNCF, INT8", "nncf", ("python quantize.py",), "int8", "openvino_graph", NOTHING),
    Candidate(
        "NNCF, INT8 with accuracy control",
        "nncf",
        ("python quantize_controlled.py",),
        "int8",
        "openvino_graph",
        "accuracy drop on validation, without interval, in its log",
    ),
    Candidate("model2vec, trained head", "model2vec", ("python distill.py",), "static", "static_pipeline", IF_ASKED),
    Candidate("TF-IDF, logistic regression", "tfidf", ("python fit.py",), "fitted", "sklearn_pipeline", NOTHING),
)
