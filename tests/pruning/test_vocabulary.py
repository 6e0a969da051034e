"""A pruned vocabulary of every kind reads each text, and cuts a text whose entries all stay as the whole one does."""

import json
import math
import os
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, XLMRobertaTokenizer

import real_tokenizers
from conftest import TINY_CSV, make_encoder
from encoder_compression.encoders import encoder_facts
from encoder_compression.encoders.architectures import ARCHITECTURES
from encoder_compression.errors import UserError
from encoder_compression.pruning import vocabulary

TINY_TEXTS = pd.read_csv(TINY_CSV)["text"].tolist()

STRANGE = [
    "żółw 電影 ok? zyx 42!",
    "",
    "  two  blanks\tand\na line ",
    "👩‍👩‍👧 ᐈ ﷽",
    "café – “noir”",
    "<mask> [MASK] </s> [SEP]",
    "e\u0301 \u200b",
]
ENDS = ("pad_token_id", "cls_token_id", "sep_token_id", "mask_token_id", "unk_token_id", "bos_token_id", "eos_token_id")
TINY_SHARE = 0.5  # of the entries that are not indispensable


def fewest(tokenizer) -> int:
    with pytest.raises(UserError) as error:
        vocabulary.choose(tokenizer, Counter(), 1)
    return int(str(error.value).split("give ")[1].split(" to ")[0])


def cut(tokenizer, texts: list[str], size: int | None = None) -> tuple:
    """Return the tokenizer, the pruned one and the kept ids."""
    counts = Counter(index for ids in tokenizer(texts)["input_ids"] for index in ids)
    size = size or math.ceil(fewest(tokenizer) * (1 - TINY_SHARE) + len(tokenizer) * TINY_SHARE)
    kept = vocabulary.choose(tokenizer, counts, size)
    assert len(kept) == size
    return tokenizer, vocabulary.keep(tokenizer, kept), kept


@pytest.fixture(scope="module", params=ARCHITECTURES)
def small_cut(request, tmp_path_factory) -> tuple:
    encoder = make_encoder(tmp_path_factory.mktemp(request.param) / "encoder", request.param)
    return cut(encoder_facts.load_tokenizer(encoder), TINY_TEXTS)


def test_the_kept_entries_are_numbered_in_their_order_and_no_others_are_known(small_cut):
    whole, smaller, kept = small_cut
    names = [whole.convert_ids_to_tokens(index) for index in kept]
    assert smaller.get_vocab() == {name: number for number, name in enumerate(names)}
    assert len(smaller) < len(whole)


def test_special_tokens_are_the_same_and_stand_where_they_stood(small_cut):
    whole, smaller, kept = small_cut
    for name in ENDS:
        before, after = getattr(whole, name), getattr(smaller, name)
        assert (None if after is None else kept[after]) == before
    assert set(smaller.all_special_tokens) == set(whole.all_special_tokens)
    before, after = (reads("a", "a", return_token_type_ids=True) for reads in (whole, smaller))
    assert [kept[index] for index in after["input_ids"]] == before["input_ids"] and len(before["input_ids"]) > 4
    assert after["token_type_ids"] == before["token_type_ids"]
    batch = smaller(["", TINY_TEXTS[0]], padding=True)
    assert kept[batch["input_ids"][0][-1]] == whole.pad_token_id


def require_equal_reading(whole, smaller, kept: list[int], texts: list[str]) -> tuple[int, int]:
    """Require for each text the same entries where all stay, and else no character more or less that is unknown; returns how many."""
    same = 0
    for text in texts:
        before, after = whole(text)["input_ids"], [kept[index] for index in smaller(text)["input_ids"]]
        same += set(before) <= set(kept)
        if set(before) <= set(kept):
            assert after == before
        assert after.count(whole.unk_token_id) == before.count(whole.unk_token_id)
        assert whole.decode(after) == whole.decode(before)
    return same, len(texts) - same


def test_a_text_of_kept_entries_is_cut_as_before_and_every_other_is_read(small_cut):
    same, others = require_equal_reading(*small_cut, [*TINY_TEXTS, *STRANGE])
    assert same > 3 and others > 1


@real_tokenizers.needed
@pytest.mark.parametrize("architecture", real_tokenizers.FOLDERS)
def test_real_tokenizers_read_real_texts_as_before(architecture):
    folder = Path(os.environ["ENCODER_DATA"]) / "rotten_tomatoes"
    train, held_out = (pd.read_parquet(folder / f"{name}.parquet")["text"].tolist() for name in ("train", "validation_a"))
    same, others = require_equal_reading(*cut(real_tokenizers.read(architecture), train, 16_000), [*held_out, *STRANGE])
    assert same > 100 and others > 100


SPECIAL = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
SCORED = [("▁", -3.0), ("a", -5.0), ("b", -5.5), ("c", -6.0), ("▁ab", -6.5), ("ab", -7.0), ("bc", -7.5), ("▁abc", -4.0), ("ca", -9.0)]


def names(tokenizer, kept: list[int]) -> list[str]:
    return [tokenizer.convert_ids_to_tokens(index) for index in kept]


def test_unigram_without_a_piece_takes_the_best_of_the_rest_by_their_scores():
    tokenizer = XLMRobertaTokenizer(vocab=[*SPECIAL, *SCORED, ("<mask>", 0.0)])
    assert tokenizer.tokenize("abc") == ["▁abc"]
    ids = tokenizer.get_vocab()
    kept = vocabulary.choose(tokenizer, Counter({ids["▁ab"]: 3, ids["bc"]: 1}), 12)
    assert names(tokenizer, kept) == ["<s>", "<pad>", "</s>", "<unk>", "▁", "a", "b", "c", "▁ab", "bc", "ca", "<mask>"]
    smaller = vocabulary.keep(tokenizer, kept)
    assert smaller.tokenize("abc") == ["▁ab", "c"]  # -6.5 - 6.0, better than ▁ a bc (-15.5) and ▁ a b c (-19.5)
    assert smaller.tokenize("cab") == ["▁", "ca", "b"]  # -17.5, better than ▁ c a b (-19.5)
    assert smaller("q")["input_ids"] == [0, ids["▁"], 3, 2]


def raw(model, pieces: bool = True) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace() if pieces else pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<unk>")


def test_unigram_keeps_its_lowest_score_by_which_the_unknown_is_judged():
    """Without 'zz' an unknown character would cost 22 and not 40, and 'abcdef' would be <unk> bcdef for 23 in place of 36."""
    letters = [(letter, -11.9) for letter in "bcdefz"]
    more = [("ab", -12.0), ("cd", -12.0), ("ef", -12.0), ("bcdef", -1.0), ("zz", -30.0), ("zb", -11.0)]
    tokenizer = raw(models.Unigram([("<unk>", 0.0), ("▁", -1.0), *letters, *more], unk_id=0))
    assert tokenizer.tokenize("abcdef") == ["▁", "ab", "cd", "ef"]
    ids = tokenizer.get_vocab()
    kept = vocabulary.choose(tokenizer, Counter({ids[name]: 2 for name in ("ab", "cd", "ef", "bcdef")}), len(tokenizer) - 1)
    assert set(ids) - set(names(tokenizer, kept)) == {"zb"}
    assert vocabulary.keep(tokenizer, kept).tokenize("abcdef") == ["▁", "ab", "cd", "ef"]


def test_unigram_keeps_the_bytes_that_unknown_characters_are_written_in():
    letters = [(letter, -2.0) for letter in "<>0xABC3▁"]
    pieces = [("<unk>", 0.0), *letters, ("<0xC3>", -9.0), ("<0xA3>", -9.0), ("AB", -3.0), ("BC", -3.0)]
    tokenizer = raw(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    kept = vocabulary.choose(tokenizer, Counter({tokenizer.get_vocab()["AB"]: 1}), len(pieces) - 1)
    smaller = vocabulary.keep(tokenizer, kept)
    assert smaller.tokenize("ãAB") == tokenizer.tokenize("ãAB") == ["▁", "<0xC3>", "<0xA3>", "AB"]
    assert "BC" not in smaller.get_vocab()


def test_bpe_drops_the_merges_whose_parts_or_result_are_gone_and_keeps_every_way_to_a_kept_entry():
    entries = ["<unk>", *"abcd", "ab", "bc", "abc", "cd", "abcd", "da"]
    merges = [("b", "c"), ("a", "b"), ("a", "bc"), ("ab", "c"), ("c", "d"), ("abc", "d"), ("d", "a")]
    model = models.BPE({name: index for index, name in enumerate(entries)}, merges, unk_token="<unk>")
    tokenizer = raw(model, pieces=False)
    kept = vocabulary.choose(tokenizer, Counter({entries.index("abc"): 5, entries.index("da"): 1}), 9)
    assert names(tokenizer, kept) == ["<unk>", *"abcd", "ab", "bc", "abc", "da"]
    smaller = vocabulary.keep(tokenizer, kept)
    left = [tuple(merge) for merge in json.loads(smaller.backend_tokenizer.to_str())["model"]["merges"]]
    assert left == [("b", "c"), ("a", "b"), ("a", "bc"), ("ab", "c"), ("d", "a")]
    assert smaller.tokenize("abcd cd") == ["abc", "d", "c", "d"]


def test_word_piece_keeps_an_entry_whose_characters_it_has_not():
    entries = ["<unk>", "a", "b", "##b", "##a", "ab", "aé", "##éb", "ba"]
    tokenizer = raw(models.WordPiece({name: index for index, name in enumerate(entries)}, unk_token="<unk>"), pieces=False)
    kept = vocabulary.choose(tokenizer, Counter(), 7)
    assert names(tokenizer, kept) == ["<unk>", "a", "b", "##b", "##a", "aé", "##éb"]
    assert vocabulary.keep(tokenizer, kept).tokenize("ab aé aéb") == ["a", "##b", "aé", *tokenizer.tokenize("aéb")]


def test_a_vocabulary_of_another_kind_is_one_line():
    tokenizer = raw(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"), pieces=False)
    with pytest.raises(UserError, match="the vocabulary is WordLevel, and WordPiece, BPE, Unigram can be cut; take the step out"):
        vocabulary.choose(tokenizer, Counter(), 1)
