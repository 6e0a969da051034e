"""No source, config or checkpoint makes the pipeline run foreign code, write elsewhere, or ask the hub from a job."""

import ast
import importlib.util
import io
import os
import pickle
import subprocess
import sys
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
import torch
import transformers

from conftest import ROOT
from encoder_compression.data.sources import package
from encoder_compression.errors import UserError
from encoder_compression.run.environment import PROCESS_SETTINGS
from encoder_compression.run.provenance import fingerprint
from job_frames import printed_in_a_job
from own_experiments import TINY, load_options

UNPICKLE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
PICKLERS = {"_pickle", "cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
LOADERS = {"torch.load", "torch.jit.load", "pd.read_pickle", "pandas.read_pickle"}


class Hostile:
    """Unpickled, it writes a file."""

    def __init__(self, marker: Path):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def test_a_hostile_rng_state_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.delenv(UNPICKLE, raising=False)
    marker = tmp_path / "marker"
    torch.save({"python": Hostile(marker)}, tmp_path / "rng_state.pth")
    trainer = SimpleNamespace(args=SimpleNamespace(world_size=1))
    with pytest.raises(pickle.UnpicklingError):
        transformers.Trainer._load_rng_state(trainer, str(tmp_path))
    assert not marker.exists()
    monkeypatch.setenv(UNPICKLE, "1")  # to see that the file was hostile
    torch.load(tmp_path / "rng_state.pth")["python"].close()
    assert marker.exists()


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], env=os.environ | environment, capture_output=True, encoding="utf-8", timeout=120)


def test_a_job_drops_the_switch_that_lets_torch_unpickle(tmp_path):
    code = f"import os; print({UNPICKLE!r} in os.environ)"
    assert printed_in_a_job(code, tmp_path / "log", env=os.environ | {UNPICKLE: "1"}).split() == ["False"]


def test_no_conversion_script_of_x_clip_is_installed():
    assert not list(Path(transformers.__file__).parent.rglob("convert_x_clip*"))


def test_kernels_is_not_installed():
    assert importlib.util.find_spec("kernels") is None
    pinned = [line.partition("==")[0].strip() for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    assert "transformers" in pinned
    assert "kernels" not in pinned


def nodes(kind: type) -> list[tuple[str, ast.AST]]:
    """Return the name of the file and the node, for every node of a kind in the Python files of package and workflow."""
    files = sorted(file for folder in ("src", "workflow") for file in (ROOT / folder).rglob("*.py"))
    return [(file.name, node) for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, kind)]


def rules() -> str:
    return "".join(file.read_text(encoding="utf-8") for file in [ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk")])


def test_trust_remote_code_is_never_true_in_the_source():
    values = [node.value for _, node in nodes(ast.keyword) if node.arg == "trust_remote_code"]
    for _, node in nodes(ast.Dict):
        values += [value for key, value in zip(node.keys, node.values, strict=True) if key and ast.unparse(key) == "'trust_remote_code'"]
    assert values
    assert {ast.unparse(value) for value in values} == {"False"}
    assert "trust_remote_code" not in rules()


def test_nothing_in_the_source_unpickles():
    found = [(file, alias.name) for file, node in nodes(ast.Import) for alias in node.names if alias.name.partition(".")[0] in PICKLERS]
    for file, node in nodes(ast.ImportFrom):
        names = {f"{node.module}.{alias.name}" for alias in node.names}
        found += [(file, name) for name in names if name.partition(".")[0] in PICKLERS or name in LOADERS | {"numpy.load"}]
    for file, node in nodes(ast.Call):
        name, options = ast.unparse(node.func), [ast.unparse(keyword) for keyword in node.keywords]
        if name in LOADERS or (name in ("np.load", "numpy.load") and "allow_pickle=False" not in options):
            found.append((file, name))
    assert found == []
    assert not [name for name in PICKLERS if f"import {name}" in rules()]


def test_only_the_prepare_scripts_and_the_lookup_of_commits_allow_the_network():
    called = [(file, ast.unparse(node.func).rpartition(".")[2]) for file, node in nodes(ast.Call)]
    allowed = sorted(file for file, name in called if name == "allow_network")
    assert allowed == ["environment.py", "prepare_dataset.py", "prepare_encoder.py", "prepare_unlabelled.py"]
    assert [file for file, name in called if name == "network_allowed"] == ["hub_revisions.py"]  # before any job
    assert {file for file, node in nodes(ast.Constant) if node.value == "HF_HUB_OFFLINE"} == {"environment.py"}
    assert "allow_network" not in rules() and "HF_HUB_OFFLINE" not in rules()


class Hub(BaseHTTPRequestHandler):
    """A hub that has nothing and counts who asks."""

    asked = 0

    def do_HEAD(self):
        type(self).asked += 1
        self.send_error(404)

    do_GET = do_HEAD

    def log_message(self, *_):
        pass


def asks_the_hub(code: str, cache: Path, **environment: str) -> bool:
    """Return whether a process that runs ``code`` asks the hub; the code must print 'done' at its end."""
    before = Hub.asked
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        address = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(cache), "NO_PROXY": "127.0.0.1"}
        done = run(code, **address, **environment)
        server.shutdown()
    assert done.stdout.strip() == "done", done.stderr
    return Hub.asked > before


LOAD = """
from transformers import AutoConfig
try:
    AutoConfig.from_pretrained("someone/encoder")
except OSError:
    print("done")
"""


def test_an_offline_job_does_not_ask_the_hub(tmp_path):
    assert not asks_the_hub(LOAD, tmp_path, **PROCESS_SETTINGS)
    assert asks_the_hub(LOAD, tmp_path, HF_HUB_OFFLINE="0")  # to see that a question would have been noticed


def test_the_tokenizer_of_an_accepted_encoder_asks_nobody(tmp_path, encoder):
    code = f"from encoder_compression.encoders.encoder_facts import load_tokenizer; load_tokenizer({str(encoder)!r}); print('done')"
    assert not asks_the_hub(code, tmp_path, HF_HUB_OFFLINE="0")


@pytest.mark.parametrize(
    "source",
    [{"encoder": {"hub": {"id": "someone/encoder"}}}, {"dataset": {"hub": {"id": "a/b", "splits": {"train": "x"}}, "max_length": 32}}],
)
@pytest.mark.parametrize("revision", ["main", "1a2b3c4", "v1.0", "a" * 41])
def test_a_hub_source_without_a_commit_is_refused(tmp_path, source, revision):
    ((section, options),) = source.items()
    load_with_revision(tmp_path, section, options, {"revision": "a" * 40})
    with pytest.raises(UserError, match=f"{section}.hub.*revision"):
        load_with_revision(tmp_path, section, options, {"revision": revision})


def load_with_revision(folder: Path, section: str, options: dict, revision: dict) -> None:
    load_options(folder, ["mine"], mine=TINY | {section: options | {"hub": options["hub"] | revision}})


BUILD_SCRIPT = """
from pathlib import Path

Path({marker!r}).touch()


def prepare_metadata_for_build_wheel(folder, settings=None):
    info = Path(folder, "words-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: words\\nVersion: 1.0\\n")
    return info.name
"""


@pytest.fixture
def sdist(tmp_path, monkeypatch) -> Path:
    """An index of one source distribution whose build script, which needs nothing to build, writes ``marker``."""
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "script"\nbackend-path = ["."]\n',
        "script.py": BUILD_SCRIPT.format(marker=str(tmp_path / "marker")),
        "PKG-INFO": "Metadata-Version: 2.1\nName: words\nVersion: 1.0\n",
    }
    path = tmp_path / "index" / "words-1.0.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as file:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"words-1.0/{name}")
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content.encode()))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def test_a_build_script_with_a_wrong_hash_is_not_run(sdist, tmp_path):
    wanted = {"name": "words", "version": "1.0", "archive": "sdist"}
    with pytest.raises(UserError, match="nothing of it was read"):
        package.fetch(**wanted, sha256="0" * 64)
    assert not (tmp_path / "marker").exists()
    package.fetch(**wanted, sha256=fingerprint(sdist))
    assert (tmp_path / "marker").exists()  # to see that the script would have been noticed
