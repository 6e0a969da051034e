"""The tokenizer of a random encoder, of its architecture's own kind: from a text, or from the files of a real one."""

import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from encoder_compression.errors import UserError

OFFSET = 2  # RoBERTa and MPNet count positions from 2, so that inputs have two tokens less than the table of positions
JSON = "tokenizer.json"


@dataclass(frozen=True)
class Kind:
    """A kind of tokenizer: its class in transformers, its tables of which a folder must have one set, special tokens, and how to write it.

    ``special`` begins the vocabulary and ``last`` ends it, as in the published ones. ``names`` says which special token is which,
    where the class does not know. ``write`` takes folder, text, kind, and size.
    """

    tokenizer: str
    tables: tuple[tuple[str, ...], ...]
    special: tuple[str, ...]
    write: Callable[[Path, str, "Kind", int], None]
    last: tuple[str, ...] = ()
    names: dict[str, str] | None = None


def make_tokenizer(scratch: Path, architecture: str, options: dict):
    """Return a tokenizer of the architecture; its tables are left in ``scratch``.

    ``options`` holds "positions", and either "tokenizer", a folder, or "vocabulary_from", a text, with "vocabulary_size".
    """
    import transformers

    kind = KINDS[architecture]
    if "tokenizer" in options:
        _copy_tables(Path(options["tokenizer"]), architecture, scratch)
    else:
        kind.write(scratch, Path(options["vocabulary_from"]).read_text(encoding="utf-8"), kind, options["vocabulary_size"])
    longest = options["positions"] - OFFSET
    return getattr(transformers, kind.tokenizer).from_pretrained(scratch, model_max_length=longest, **kind.names or {})


def _copy_tables(folder: Path, architecture: str, scratch: Path) -> None:
    """Copy the tables of a real tokenizer; nothing else of its folder is read, for a config could name code."""
    kind = KINDS[architecture]
    files = next((files for files in kind.tables if all((folder / name).is_file() for name in files)), None)
    if files is None:
        missing = next(name for name in kind.tables[0] if not (folder / name).is_file())
        raise UserError(f"encoder.random: '{folder}' has no {missing}, which the tokenizer of '{architecture}' needs; add it")
    for name in files:
        shutil.copyfile(folder / name, scratch / name)
    entries = _entries(scratch / files[0])
    missing = [token for token in (*kind.special, *kind.last) if entries is not None and token not in entries]
    if missing:
        raise UserError(f"encoder.random: {files[0]} of '{folder}' has no token '{missing[0]}', so it is no tokenizer of '{architecture}'")


def _entries(table: Path) -> set[str] | None:
    """Return the entries of a vocabulary; None where only SentencePiece reads its file."""
    if table.suffix == ".model":
        return None
    text = table.read_text(encoding="utf-8")
    if table.name != JSON:
        return set(json.loads(text) if table.suffix == ".json" else text.split("\n"))
    content = json.loads(text)
    vocabulary = content["model"]["vocab"]
    pieces = vocabulary if isinstance(vocabulary, dict) else [piece for piece, _ in vocabulary]
    return {*pieces, *(token["content"] for token in content["added_tokens"])}


def _write_word_pieces(folder: Path, text: str, kind: Kind, size: int) -> None:
    """Write WordPiece's table: special tokens, every character as a beginning and as a continuation, the commonest words.

    Here and below no trainer of the tokenizers library: it breaks ties at random, so that two runs would not compare.
    """
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    characters = sorted(set("".join(words)))
    pieces = [*kind.special, *characters, *(f"##{character}" for character in characters), *_by_frequency(words)]
    (folder / "vocab.txt").write_text("\n".join(list(dict.fromkeys(pieces))[:size]) + "\n", encoding="utf-8")


def _write_byte_pairs(folder: Path, text: str, kind: Kind, size: int) -> None:
    """Write the tables of byte-level BPE, special tokens first."""
    tokens, merges = _byte_pairs(text, size - len(kind.special))
    numbers = {token: index for index, token in enumerate((*kind.special, *tokens))}
    (folder / "vocab.json").write_text(json.dumps(numbers), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges)]) + "\n", encoding="utf-8")


def _byte_pairs(text: str, size: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the tokens of byte-level BPE, all 256 bytes first, and the merges that build the commonest words from the left.

    Only words after a blank are built. All their merges begin with the blank, so that none takes the letters of another.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    words = [piece for piece, _ in ByteLevel(add_prefix_space=False).pre_tokenize_str(text) if piece.startswith("Ġ")]
    bytes_ = sorted(ByteLevel.alphabet())
    merges = dict.fromkeys((word[:end], word[end]) for word in _by_frequency(words) for end in range(1, len(word)))
    merges = list(merges)[: max(size - len(bytes_), 0)]
    return [*bytes_, *(left + right for left, right in merges)], merges


def _write_modern_byte_pairs(folder: Path, text: str, kind: Kind, size: int) -> None:
    """Write the tokenizer.json of ModernBERT's kind: byte-level BPE whose special tokens come last, the padding among them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    tokens, merges = _byte_pairs(text, size - len(kind.last))
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    tokenizer.add_special_tokens(list(kind.last))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:0 [SEP]:0", ends)
    tokenizer.save(str(folder / JSON))


def _write_unigram(folder: Path, text: str, kind: Kind, size: int) -> None:
    """Write the tokenizer.json of a Unigram vocabulary: special tokens, every character, the commonest words with the blank before them.

    A word's score is the logarithm of its share of all words (Kudo 2018); a character's is below that of every word.
    """
    import transformers

    words = [f"▁{word}" for word in re.findall(r"\w+|[^\w\s]", text)]
    characters = sorted(set("▁".join(["", *words])))
    counts, rarest = Counter(words), -math.log(len(words)) - 1
    scores = dict.fromkeys((*kind.special, *kind.last), 0.0) | dict.fromkeys(characters, rarest)
    scores |= {word: math.log(counts[word] / len(words)) for word in _by_frequency(words) if word not in scores}
    pieces = [piece for piece in scores if piece not in kind.last][: size - len(kind.last)]
    vocabulary = [(piece, scores[piece]) for piece in (*pieces, *kind.last)]
    getattr(transformers, kind.tokenizer)(vocab=vocabulary).save_pretrained(folder)


def _by_frequency(words: list[str]) -> list[str]:
    """Return each word once, the commonest first, equally common ones in alphabetical order."""
    return [word for word, _ in sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))]


BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MPNET_TOKENS = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")
ROBERTA_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
CAMEMBERT_TOKENS = ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>")
NAMES = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
WORD_PIECES, BYTE_PAIRS, AS_JSON = ("vocab.txt",), ("vocab.json", "merges.txt"), (JSON,)
KINDS = {
    "bert": Kind("BertTokenizerFast", (WORD_PIECES,), BERT_TOKENS, _write_word_pieces),
    "camembert": Kind("CamembertTokenizer", (AS_JSON, ("sentencepiece.bpe.model",)), CAMEMBERT_TOKENS, _write_unigram, ("<mask>",)),
    "deberta-v2": Kind("DebertaV2Tokenizer", (AS_JSON, ("spm.model",)), ("[PAD]", "[CLS]", "[SEP]", "[UNK]"), _write_unigram, ("[MASK]",)),
    "distilbert": Kind("DistilBertTokenizerFast", (WORD_PIECES,), BERT_TOKENS, _write_word_pieces),
    "electra": Kind("ElectraTokenizerFast", (WORD_PIECES,), BERT_TOKENS, _write_word_pieces),
    "modernbert": Kind("PreTrainedTokenizerFast", (AS_JSON,), (), _write_modern_byte_pairs, tuple(NAMES.values()), NAMES),
    "mpnet": Kind("MPNetTokenizerFast", (WORD_PIECES,), MPNET_TOKENS, _write_word_pieces),
    "roberta": Kind("RobertaTokenizerFast", (BYTE_PAIRS,), ROBERTA_TOKENS, _write_byte_pairs),
    "xlm-roberta": Kind(
        "XLMRobertaTokenizer", (AS_JSON, ("sentencepiece.bpe.model",)), ("<s>", "<pad>", "</s>", "<unk>"), _write_unigram, ("<mask>",)
    ),
}
