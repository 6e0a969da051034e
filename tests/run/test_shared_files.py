"""An artifact in a second place has the same files, and a job may write what tells about it without a change of the first."""

import os

import pytest

from encoder_compression.run import provenance
from encoder_compression.run.shared_files import share


@pytest.fixture
def folder(tmp_path):
    artifact = tmp_path / "artifact"
    (artifact / "inner").mkdir(parents=True)
    for name in ("weights", "inner/part", "provenance.json", "README.md", ".snakemake_timestamp"):
        (artifact / name).write_text(name, encoding="utf-8")
    return artifact


def test_files_are_shared_and_what_tells_about_them_is_not(folder, tmp_path):
    share(folder=folder, output=tmp_path / "second")
    assert sorted(path.name for path in (tmp_path / "second").iterdir()) == ["inner", "weights"]
    assert all((folder / name).samefile(tmp_path / "second" / name) for name in ("weights", "inner/part"))
    assert provenance.fingerprint(folder) == provenance.fingerprint(tmp_path / "second")


def test_a_folder_that_is_there_gets_the_files(folder, tmp_path):
    (tmp_path / "second").mkdir()
    share(folder=folder, output=tmp_path / "second")
    assert (tmp_path / "second" / "weights").exists()


def test_a_file_system_without_hard_links_gets_copies(folder, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    share(folder=folder, output=tmp_path / "second")
    assert not (folder / "weights").samefile(tmp_path / "second" / "weights")
    assert provenance.fingerprint(folder) == provenance.fingerprint(tmp_path / "second")
