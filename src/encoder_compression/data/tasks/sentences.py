"""Tables of one or two sentences and a label, which classification and regression share."""

import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute, parquet
from tokenizers import Encoding, Tokenizer

from encoder_compression.data import features
from encoder_compression.data.sources.batches import BATCH, Table
from encoder_compression.data.spool import Faults, Rows, keys

SEPARATOR = "\x1f"  # between two texts: ASCII's own, which no text holds
DAMAGE = "\ufffd"  # what stands in place of bytes that are no text
TEXTS = ("text", "text_pair")
END_OF_ROW = re.compile(r'[,;|\t]"?([^,;|\t"\n]+)"?[ \t]*\r?\n')


def read(table: Table, split: str, columns: dict[str, str], dropped: Counter) -> Iterator[pd.DataFrame]:
    """Yield id, text(s), raw label and source of the rows that have a text; ``dropped`` counts the others.

    Where ``columns`` names no label there is none. Every text is its own source.
    """
    roles = [role for role in (*TEXTS, "label") if role in columns]
    faults = Faults(f"rows of split '{split}' ({table.name})")
    dropped["empty text"] = 0
    for batch in table.batches(columns[role] for role in roles):
        ids = pd.Series([f"{split}-{row}" for row in batch.index])
        rows = pd.DataFrame({"id": ids, **{role: batch[columns[role]].to_numpy() for role in roles}})
        for role in (role for role in TEXTS if role in rows):
            faults.add(f"no text in the column '{columns[role]}'", ~rows[role].map(_is_scalar), rows["id"])
            rows[role] = stripped(rows[role])
        texts = [rows[role] for role in TEXTS if role in rows]
        empty = np.logical_or.reduce([text.eq("") for text in texts])
        dropped["empty text"] += int(empty.sum())
        yield rows.assign(source=join_texts(texts))[~empty].reset_index(drop=True)
    faults.raise_first("give one text a row")


def _is_scalar(value) -> bool:
    return not isinstance(value, list | dict | np.ndarray)


def stripped(column: pd.Series) -> pd.Series:
    """Return a column as texts without blanks around them; what is missing is empty, half of a character pair U+FFFD."""
    texts = ["" if value is None or value is pd.NA or value != value else str(value) for value in column]
    try:
        return pd.Series(texts, dtype="str").str.strip()
    except UnicodeEncodeError:
        whole = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
        return pd.Series(whole, dtype="str").str.strip()


def write(splits: dict[str, Rows], folder: Path, *, label: Callable[[pd.Series], pd.Series], **reading) -> tuple[dict, list[str]]:
    """Write what `encode` returns of the rows of each split, in their order; returns how many were cut, and what a reader should know.

    ``label`` makes numbers of a batch of labels as they were read.
    """
    counts = {name: _write(rows, folder / f"{name}.parquet", label, reading) for name, rows in splits.items()}
    return {"cut": {name: noticed["cut"] for name, noticed in counts.items()}}, _describe(counts, splits)


def _write(rows: Rows, path: Path, label: Callable[[pd.Series], pd.Series], reading: dict) -> Counter:
    counts: Counter = Counter()

    def tables() -> Iterator[pa.Table]:
        for batch, encodings in _one_ahead(rows, **reading):
            encoded, noticed = _assemble(batch.assign(label=label(batch["label"])), encodings, **reading)
            counts.update(noticed, swallowed=_count_with_rows(batch) if rows.spool.table.quoted else 0)
            yield encoded

    features.write_tables(tables(), path)
    return counts


def _count_with_rows(batch: pd.DataFrame) -> int:
    """Return how many texts hold a line that ends with a separator and a label, as rows between two stray quotation marks do."""
    labels = {f"{label:g}" if isinstance(label, float) else str(label) for label in batch["label"].unique()}
    texts = batch["text"][batch["text"].str.contains("\n", regex=False)]
    return sum(not labels.isdisjoint(END_OF_ROW.findall(text)) for text in texts)


def _one_ahead(rows: Iterable[pd.DataFrame], **reading) -> Iterator[tuple[pd.DataFrame, list[Encoding]]]:
    """Yield batches of rows with their tokens, while those of the next batch are made: the tokenizer needs no Python."""
    with ThreadPoolExecutor(1) as pool:
        waiting = deque()
        for batch in rows:
            waiting.append((batch, pool.submit(_tokenize, batch, **reading)))
            if len(waiting) > 1:
                before, encodings = waiting.popleft()
                yield before, encodings.result()
        for before, encodings in waiting:
            yield before, encodings.result()


def encode(rows: pd.DataFrame, **reading) -> tuple[pa.Table, Counter]:
    """Return id, text(s), label and the encoder's inputs of rows; of two sentences the longer one is cut first.

    ``reading`` holds the fast ``tokenizer``, ``max_length`` in tokens, and whether the encoder is ``told_apart`` two texts.
    The counts are of rows that were "cut", of texts that hold bytes that are no text ("damaged"), and of inputs
    without any token that the tokenizer knows ("unknown").
    """
    return _assemble(rows, _tokenize(rows, **reading), **reading)


def _tokenize(rows: pd.DataFrame, *, tokenizer, max_length: int, told_apart: bool) -> list[Encoding]:
    """Ask the tokenizer itself: transformers' own call takes half as long again to make Python lists of the answer."""
    backend = tokenizer.backend_tokenizer
    cut_at(backend, max_length)
    texts = [rows[role].tolist() for role in TEXTS if role in rows]
    return backend.encode_batch_fast(texts[0] if len(texts) == 1 else list(zip(*texts, strict=True)))


def cut_at(tokenizer: Tokenizer, max_length: int) -> None:
    """Let a tokenizer cut inputs after so many tokens, of two texts the longer one first, and pad nothing."""
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    tokenizer.no_padding()


def _assemble(rows: pd.DataFrame, encodings: list[Encoding], *, tokenizer, max_length: int, told_apart: bool) -> tuple[pa.Table, Counter]:
    kept = [name for name in ("id", *TEXTS, "label") if name in rows]
    ids = [encoding.ids for encoding in encodings]
    table = pa.Table.from_pandas(rows[kept], preserve_index=False).replace_schema_metadata(None)
    table = table.append_column("input_ids", _lists(ids))
    if "text_pair" in rows and told_apart:
        table = table.append_column("token_type_ids", _lists([encoding.type_ids for encoding in encodings]))
    cut = sum(len(row) == max_length and bool(encoding.overflowing) for row, encoding in zip(ids, encodings, strict=True))
    damaged = np.logical_or.reduce([rows[role].str.contains(DAMAGE, regex=False) for role in TEXTS if role in rows])
    unknown = _known_tokens(table["input_ids"].combine_chunks(), tokenizer) == 0
    return table, Counter(cut=cut, damaged=int(damaged.sum()), unknown=int(unknown.sum()))


def _lists(values: list[list[int]]) -> pa.ListArray:
    """Return lists of whole numbers as a column."""
    offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, np.fromiter(chain.from_iterable(values), np.int64, offsets[-1]))


def _known_tokens(ids: pa.ListArray, tokenizer) -> np.ndarray:
    """Return per row how many of its tokens are neither special nor unknown."""
    known = ~np.isin(ids.values.to_numpy(), tokenizer.all_special_ids)
    return np.diff(np.concatenate([[0], known.cumsum()])[ids.offsets.to_numpy()])


def _describe(counts: dict[str, Counter], splits: dict[str, Rows]) -> list[str]:
    """Return a sentence for each split where texts were damaged, or hold other rows, or are unknown."""
    effects = {
        "damaged": f"hold '{DAMAGE}', which stands for bytes that are no UTF-8: name the encoding of the file in dataset.format.encoding.",
        "swallowed": "hold a line that ends as a row of the table does: look whether a quotation mark opens there by mistake; "
        "'format: {quoting: false}' reads such marks as letters.",
        "unknown": "have no token that the tokenizer knows: the model sees nothing of them.",
    }
    return [
        f"{noticed[what]:,} of {len(splits[name]):,} texts of {name} {effect}"
        for what, effect in effects.items()
        for name, noticed in counts.items()
        if noticed[what]
    ]


def cut_anew(dataset: Path, output: Path, *, tokenizer) -> dict:
    """Write a prepared data set again, row for row, in the pieces of another tokenizer; returns the mean pieces of a row of train."""
    description = json.loads((Path(dataset) / "dataset.json").read_text(encoding="utf-8"))
    output.mkdir(parents=True, exist_ok=True)
    description |= {"cut": {}, "pad_token_id": tokenizer.pad_token_id}
    for name in description["rows"]:
        counts: Counter = Counter(cut=0)
        tables = _encoded_anew(Path(dataset) / f"{name}.parquet", counts, tokenizer=tokenizer, max_length=description["max_length"])
        features.write_tables(tables, output / f"{name}.parquet")
        description["cut"][name] = counts["cut"]
    (output / "dataset.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return {"tokens_before": _mean_length(dataset), "tokens": _mean_length(output)}


def _encoded_anew(path: Path, counts: Counter, **reading) -> Iterator[pa.Table]:
    """Yield the rows of a prepared split in the pieces of another tokenizer, and count what `encode` notices."""
    file = parquet.ParquetFile(path)
    for batch in file.iter_batches(BATCH):
        encoded, noticed = encode(batch.to_pandas(), told_apart="token_type_ids" in file.schema_arrow.names, **reading)
        counts.update(noticed)
        yield encoded


def _mean_length(dataset: Path) -> float:
    return compute.mean(compute.list_value_length(features.read(dataset, "train")["input_ids"])).as_py()


def text_keys(dataset: Path) -> np.ndarray:
    """Return a key of the text, or of both, of each row of train, as uint64 [rows]."""
    file = Path(dataset) / "train.parquet"
    columns = [role for role in TEXTS if role in parquet.read_schema(file).names]
    rows = parquet.read_table(file, columns=columns).to_pandas()
    return keys(join_texts([rows[role] for role in columns]))


def examples(dataset: Path, split: str) -> pd.DataFrame:
    """Return id, text or both ("source", which is its own "group") and class ("stratum", of numbers 0) of each example of a split."""
    file = Path(dataset) / f"{split}.parquet"
    columns = [role for role in TEXTS if role in parquet.read_schema(file).names]
    rows = parquet.read_table(file, columns=["id", *columns, "label"]).to_pandas()
    stratum = rows["label"] if pd.api.types.is_integer_dtype(rows["label"]) else 0
    texts = join_texts([rows[role] for role in columns])
    return rows[["id"]].assign(source=texts, group=texts, stratum=stratum)


def join_texts(texts: list[pd.Series]) -> pd.Series:
    """Return one text or two of each row as one."""
    return texts[0].str.cat(texts[1:], sep=SEPARATOR) if texts[1:] else texts[0]


def count_texts(dataset: Path) -> int:
    """Return how many texts an input of a prepared data set has: one or two."""
    names = parquet.read_schema(Path(dataset) / "train.parquet").names
    return sum(role in names for role in TEXTS)


def read_labels(dataset: Path, split: str) -> dict[str, list]:
    """Return id, label and the number of tokens of each example."""
    table = features.read(dataset, split, "id", "label")
    return {
        "id": table["id"].to_pylist(),
        "label": table["label"].to_pylist(),
        "tokens": compute.list_value_length(table["input_ids"]).to_pylist(),
    }
