"""A tokenizer with a part of its vocabulary: WordPiece, BPE or Unigram (SentencePiece); by the tokenizer.json of Hugging Face's library."""

import json
import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedTokenizerFast

from encoder_compression.encoders import encoder_facts
from encoder_compression.encoders.safety import VOCABULARY_FILES
from encoder_compression.errors import UserError

KINDS = ("WordPiece", "BPE", "Unigram")
BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # what byte fallback writes for a byte of an unknown character


def choose(tokenizer: PreTrainedTokenizerFast, counts: Counter, size: int) -> list[int]:
    """Return the ids of ``size`` entries, in their order: special ones, those that any text needs, and the most frequent.

    ``counts`` holds by id how often an entry occurs. A BPE entry brings those that it is merged from. UserError where ``size`` is
    too small, or not smaller than what is there.
    """
    model, ids = _model(tokenizer), tokenizer.get_vocab()
    sources = _sources(model, ids) if model["type"] == "BPE" else {}
    readable = set(ids.values()) - sources.keys() if model["type"] == "BPE" else {ids[entry] for entry in _letters_and_bytes(model)}
    kept = readable | set(tokenizer.added_tokens_decoder)
    if not len(kept) <= size < len(ids):
        raise UserError(f"trim: a vocabulary of {size} cannot be cut out of one of {len(ids)}; give {len(kept)} to {len(ids) - 1}")
    for index in sorted(ids.values(), key=lambda index: (-counts[index], index)):
        added = _closure(index, sources) - kept
        if len(kept) + len(added) <= size:
            kept |= added
    return sorted(kept)


def _sources(model: dict, ids: dict[str, int]) -> dict[int, set[int]]:
    """Return for each BPE entry that merges make the entries that they make it from.

    With all of them, and the order of merges unchanged, a text whose entries stay is merged as before.
    """
    sources: dict[int, set[int]] = {}
    for pair in map(_pair, model["merges"]):
        sources.setdefault(ids[_merged(pair, model)], set()).update(ids[part] for part in pair)
    return sources


def _pair(merge: str | list[str]) -> list[str]:
    """Return the two parts of a merge, which older files join by a blank."""
    return merge.split(" ") if isinstance(merge, str) else merge


def _merged(pair: list[str], model: dict) -> str:
    """Return what a merge makes of its parts."""
    return pair[0] + pair[1].removeprefix(model.get("continuing_subword_prefix") or "")


def _closure(index: int, sources: dict[int, set[int]]) -> set[int]:
    """Return an entry and all that it is made of."""
    return {index}.union(*(_closure(part, sources) for part in sources.get(index, ())))


def _letters_and_bytes(model: dict) -> set[str]:
    """Return the entries of WordPiece or Unigram without which some text would have more unknown characters."""
    if model["type"] == "WordPiece":
        entries = set(model["vocab"])
        return _not_spelled(entries, model["continuing_subword_prefix"]) | {model["unk_token"]} & entries
    entries = {entry for entry, _ in model["vocab"]}
    bytes_alone = set(filter(BYTE.fullmatch, entries)) if model["byte_fallback"] else set()
    return _not_spelled(entries, "") | bytes_alone | _fixed(model)


def _fixed(model: dict) -> set[str]:
    """Return the entries of Unigram that cannot go: up to the unknown one, and that of the lowest score.

    The former have places that tokenizer classes of transformers know by heart, such as 3 for the unknown entry of XLM-R. An
    unknown character counts as the lowest score less 10; with another one, texts would be cut otherwise than before.
    """
    vocab = model["vocab"]
    return {entry for entry, _ in vocab[: (model["unk_id"] or 0) + 1]} | {min(vocab, key=lambda piece: piece[1])[0]}


def _not_spelled(entries: set[str], prefix: str) -> set[str]:
    return {entry for entry in entries if not _is_spelled(entry, prefix, entries)}


def _is_spelled(entry: str, prefix: str, entries: set[str]) -> bool:
    """Say whether there is an entry for each of several characters, so that the text stays readable without this one."""
    body = entry.removeprefix(prefix)
    letters = [entry[: len(entry) - len(body) + 1], *(prefix + character for character in body[1:])]
    return len(letters) > 1 and entries.issuperset(letters)


def keep(tokenizer: PreTrainedTokenizerFast, kept: list[int]) -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows these entries alone, numbered in this order."""
    new = {tokenizer.convert_ids_to_tokens(old): number for number, old in enumerate(kept)}
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        for name in VOCABULARY_FILES:  # they hold the whole vocabulary, and tokenizer.json makes them needless
            (Path(folder) / name).unlink(missing_ok=True)
        _rewrite(Path(folder) / "tokenizer.json", lambda content: _renumber(content, new))
        _rewrite(Path(folder) / "tokenizer_config.json", lambda content: _renumber_config(content, new))
        return encoder_facts.load_tokenizer(Path(folder))


def _rewrite(file: Path, change) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _renumber(content: dict, new: dict[str, int]) -> None:
    """Leave in a tokenizer.json what is kept, by its new ids."""
    _renumber_model(content["model"], new)
    content["added_tokens"] = [token | {"id": new[token["content"]]} for token in content["added_tokens"]]
    post = content["post_processor"] or {}
    for part in post.get("processors", [post]):
        _renumber_ends(part, new)
    if content["padding"]:
        content["padding"]["pad_id"] = new[content["padding"]["pad_token"]]


def _renumber_model(model: dict, new: dict[str, int]) -> None:
    """Leave the kept entries, with the scores of Unigram, and the merges whose parts and result are kept."""
    if model["type"] == "Unigram":
        model["vocab"] = [piece for piece in model["vocab"] if piece[0] in new]  # those up to the unknown one stay, and so does its id
        return
    model["vocab"] = {entry: new[entry] for entry in model["vocab"] if entry in new}
    if "merges" in model:
        model["merges"] = [merge for merge in model["merges"] if {*_pair(merge), _merged(_pair(merge), model)} <= new.keys()]


def _renumber_ends(post: dict, new: dict[str, int]) -> None:
    """Give the special tokens that a post-processor puts around a text their new ids."""
    for end in (post[name] for name in ("sep", "cls") if name in post):
        end[1] = new[end[0]]
    for special in post.get("special_tokens", {}).values():
        special["ids"] = [new[token] for token in special["tokens"]]


def _renumber_config(content: dict, new: dict[str, int]) -> None:
    """Write new ids where a tokenizer_config.json holds ids; transformers 5 writes fewer of them than 4 did."""
    if "added_tokens_decoder" in content:
        content["added_tokens_decoder"] = {str(new[token["content"]]): token for token in content["added_tokens_decoder"].values()}


def _model(tokenizer: PreTrainedTokenizerFast) -> dict:
    """Return the model in a tokenizer's tokenizer.json; UserError for another kind of vocabulary."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if model["type"] not in KINDS:
        raise UserError(f"trim: the vocabulary is {model['type']}, and {', '.join(KINDS)} can be cut; take the step out")
    return model
