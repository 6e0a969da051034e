"""A small encoder with random weights and a tokenizer of its architecture's own kind, to try a study in seconds."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

from encoder_compression.encoders.architectures import ARCHITECTURES
from encoder_compression.errors import UserError

BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MPNET_TOKENS = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")
ROBERTA_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
# Per architecture: its tokenizer's class in transformers, and the special tokens in the order of their ids.
TOKENIZERS = {
    "bert": ("BertTokenizerFast", BERT_TOKENS),
    "distilbert": ("DistilBertTokenizerFast", BERT_TOKENS),
    "electra": ("ElectraTokenizerFast", BERT_TOKENS),
    "mpnet": ("MPNetTokenizerFast", MPNET_TOKENS),
    "roberta": ("RobertaTokenizerFast", ROBERTA_TOKENS),
}
WORD_PIECE_FILES = ("vocab.txt",)
BYTE_PAIR_FILES = ("vocab.json", "merges.txt")
OFFSET = 2  # RoBERTa and MPNet count positions from 2, so that inputs have two tokens less than the table of positions


def make_random_encoder(scratch: Path, *, architecture: str, seed: int, **options) -> Path:
    """Write an encoder with random weights and its tokenizer into ``scratch``; returns it.

    ``options`` holds the shape and either ``vocabulary_from``, a text, with ``vocabulary_size``, or ``tokenizer``, a folder.
    """
    from transformers import AutoConfig, AutoModel, set_seed

    tokenizer = _make_tokenizer(scratch, architecture, options)
    tokenizer.save_pretrained(scratch)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        num_hidden_layers=options["layers"],
        hidden_size=options["hidden_size"],
        num_attention_heads=options["heads"],
        max_position_embeddings=options["positions"],
        pad_token_id=tokenizer.pad_token_id,
        **{ARCHITECTURES[architecture].neurons_key: options["intermediate_size"]},
        **_as_published(architecture, options),
    )
    set_seed(seed)
    AutoModel.from_config(config).save_pretrained(scratch)
    return scratch


def _as_published(architecture: str, options: dict) -> dict:
    """Return what the published models of an architecture have other than the default of its class."""
    return {"roberta": {"type_vocab_size": 1}, "electra": {"embedding_size": options["hidden_size"]}}.get(architecture, {})


def _make_tokenizer(scratch: Path, architecture: str, options: dict):
    import transformers

    kind, special = TOKENIZERS[architecture]
    files = BYTE_PAIR_FILES if architecture == "roberta" else WORD_PIECE_FILES
    if "tokenizer" in options:
        _copy_vocabulary(Path(options["tokenizer"]), files, architecture, special, scratch)
    else:
        write = _write_byte_pairs if architecture == "roberta" else _write_word_pieces
        write(scratch, Path(options["vocabulary_from"]).read_text(encoding="utf-8"), special, options["vocabulary_size"])
    return getattr(transformers, kind).from_pretrained(scratch, model_max_length=options["positions"] - OFFSET)


def _copy_vocabulary(folder: Path, names: tuple[str, ...], architecture: str, special: tuple[str, ...], scratch: Path) -> None:
    """Copy the tables of a real tokenizer; nothing else of its folder is read, for a config could name code."""
    for name in names:
        if not (folder / name).is_file():
            raise UserError(f"encoder.random: '{folder}' has no {name}, which the tokenizer of '{architecture}' needs; add it")
        shutil.copyfile(folder / name, scratch / name)
    text = (scratch / names[0]).read_text(encoding="utf-8")
    missing = [token for token in special if token not in (json.loads(text) if names[0].endswith(".json") else text.split("\n"))]
    if missing:
        raise UserError(f"encoder.random: {names[0]} of '{folder}' has no token '{missing[0]}', so it is no tokenizer of '{architecture}'")


def _write_word_pieces(folder: Path, text: str, special: tuple[str, ...], size: int) -> None:
    """Write WordPiece's table: special tokens, every character as a beginning and as a continuation, the commonest words.

    Here and below no trainer of the tokenizers library: it breaks ties at random, so that two runs would not compare.
    """
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    characters = sorted(set("".join(words)))
    pieces = [*special, *characters, *(f"##{character}" for character in characters), *_by_frequency(words)]
    (folder / "vocab.txt").write_text("\n".join(list(dict.fromkeys(pieces))[:size]) + "\n", encoding="utf-8")


def _write_byte_pairs(folder: Path, text: str, special: tuple[str, ...], size: int) -> None:
    """Write the tables of byte-level BPE: special tokens, all 256 bytes, and merges that build the commonest words from the left.

    Only words after a blank are built. All their merges begin with the blank, so that none takes the letters of another.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    words = [piece for piece, _ in ByteLevel(add_prefix_space=False).pre_tokenize_str(text) if piece.startswith("Ġ")]
    tokens = [*special, *sorted(ByteLevel.alphabet())]
    merges = dict.fromkeys((word[:end], word[end]) for word in _by_frequency(words) for end in range(1, len(word)))
    merges = list(merges)[: max(size - len(tokens), 0)]
    tokens += [left + right for left, right in merges]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges)]) + "\n", encoding="utf-8")


def _by_frequency(words: list[str]) -> list[str]:
    """Return each word once, the commonest first, equally common ones in alphabetical order."""
    return [word for word, _ in sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))]
