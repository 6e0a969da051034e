"""A tokenizer with a part of its vocabulary, WordPiece or byte-level BPE; by the tokenizer.json of Hugging Face's library."""

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedTokenizerFast

from encoder_compression.encoders import encoder_facts
from encoder_compression.errors import UserError

NAMES = ("vocab.txt", "vocab.json", "merges.txt")  # further files with the whole vocabulary, which tokenizer.json makes needless


def choose(tokenizer: PreTrainedTokenizerFast, counts: Counter, size: int) -> list[int]:
    """Return the numbers of ``size`` entries, in their order: special ones, single characters or bytes, and the commonest.

    A BPE entry brings those that it is merged from. UserError where ``size`` is too small, or not smaller than what is there.
    """
    parts = _parts(tokenizer)
    kept = {index for index, made_of in parts.items() if not made_of} | set(tokenizer.added_tokens_decoder)
    if not len(kept) <= size < len(parts):
        raise UserError(f"trim: a vocabulary of {size} cannot be cut out of one of {len(parts)}; give {len(kept)} to {len(parts) - 1}")
    for index in sorted(parts, key=lambda index: (-counts[index], index)):
        needed = _closure(index, parts) - kept
        if len(kept) + len(needed) <= size:
            kept |= needed
    return sorted(kept)


def _parts(tokenizer: PreTrainedTokenizerFast) -> dict[int, tuple[int, ...]]:
    """Return for each entry those that it cannot be without: its two parts in BPE, itself in WordPiece; none for what is always kept."""
    model = _read(tokenizer)["model"]
    numbers = tokenizer.get_vocab()
    if model["type"] == "WordPiece":
        prefix = model["continuing_subword_prefix"]
        return {number: () if len(entry.removeprefix(prefix)) == 1 else (number,) for entry, number in numbers.items()}
    merges = {numbers["".join(pair)]: tuple(numbers[part] for part in pair) for pair in map(_pair, model["merges"])}
    return {number: merges.get(number, ()) for number in numbers.values()}


def _pair(merge: str | list[str]) -> list[str]:
    """Return the two parts of a merge, which older files join by a blank."""
    return merge.split(" ") if isinstance(merge, str) else merge


def _closure(index: int, parts: dict[int, tuple[int, ...]]) -> set[int]:
    """Return an entry and all that it is made of."""
    return {index}.union(*(_closure(part, parts) for part in parts[index] if part != index))


def keep(tokenizer: PreTrainedTokenizerFast, kept: list[int]) -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows these entries alone, numbered in this order."""
    new = {tokenizer.convert_ids_to_tokens(old): number for number, old in enumerate(kept)}
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        for name in NAMES:
            (Path(folder) / name).unlink(missing_ok=True)
        _rewrite(Path(folder) / "tokenizer.json", lambda content: _renumber(content, new))
        _rewrite(Path(folder) / "tokenizer_config.json", lambda content: _renumber_config(content, new))
        return encoder_facts.load_tokenizer(Path(folder))


def _rewrite(file: Path, change) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _renumber(content: dict, new: dict[str, int]) -> None:
    """Leave in a tokenizer.json what is kept, by its new numbers."""
    model = content["model"]
    model["vocab"] = new
    if "merges" in model:
        model["merges"] = [merge for merge in model["merges"] if "".join(_pair(merge)) in new and set(_pair(merge)) <= set(new)]
    content["added_tokens"] = [token | {"id": new[token["content"]]} for token in content["added_tokens"]]
    post = content["post_processor"] or {}
    for end in (post[name] for name in ("sep", "cls") if name in post):
        end[1] = new[end[0]]
    for special in post.get("special_tokens", {}).values():
        special["ids"] = [new[token] for token in special["tokens"]]


def _renumber_config(content: dict, new: dict[str, int]) -> None:
    if "added_tokens_decoder" not in content:  # of transformers 5, which reads tokenizer.json alone
        return
    content["added_tokens_decoder"] = {str(new[token["content"]]): token for token in content["added_tokens_decoder"].values()}


def _read(tokenizer: PreTrainedTokenizerFast) -> dict:
    """Return the content of its tokenizer.json; UserError for another kind of vocabulary."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    if content["model"]["type"] not in ("WordPiece", "BPE"):
        raise UserError(f"trim knows WordPiece and BPE vocabularies, not {content['model']['type']}; take the step out")
    return content
