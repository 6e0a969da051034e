"""Windows: those of the tokenizer itself, each answer labelled where it stands in the context, or as not there."""

import json

import numpy as np
import pandas as pd
import pytest
from tokenizers.pre_tokenizers import ByteLevel
from transformers import BertTokenizerFast, CanineTokenizer, ElectraTokenizerFast, MPNetTokenizerFast, RobertaTokenizerFast

import real_squad
from conftest import TINY_CSV
from encoder_compression.data.tasks import squad, windows
from encoder_compression.errors import UserError

SHAPE = {"max_length": 40, "stride": 9}
TEXTS = pd.read_csv(TINY_CSV)["text"].tolist()
QUESTIONS = ["a chore ?", "sharp writing", "it drags", "moves with grace", ""]
CONTEXTS = ["  ".join(TEXTS[:9]), "é 日 " + " ".join(TEXTS[9:12]), "  ".join(TEXTS[:9]), "short", " ".join(TEXTS[12:40])]


def byte_level(folder) -> RobertaTokenizerFast:
    """Return RoBERTa's tokenizer without a merge: a token per byte."""
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(ByteLevel.alphabet())]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))


@pytest.fixture(scope="module", params=["bert", "electra", "mpnet", "roberta"])
def tokenizer(request, tmp_path_factory, encoder):
    kinds = {"bert": BertTokenizerFast, "electra": ElectraTokenizerFast, "mpnet": MPNetTokenizerFast}
    if request.param in kinds:
        return kinds[request.param](str(encoder / "vocab.txt"))
    return byte_level(tmp_path_factory.mktemp("roberta"))


@pytest.fixture(scope="module")
def bert(encoder):
    return BertTokenizerFast(str(encoder / "vocab.txt"))


def cut(questions, contexts, tokenizer, **changes) -> dict:
    told_apart = "token_type_ids" in tokenizer.model_input_names
    return windows.cut(questions, contexts, tokenizer=tokenizer, told_apart=told_apart, **SHAPE | changes)


def label(found, starts, texts) -> list[tuple[int, int]]:
    return list(zip(*windows.positions(found, answer_starts=starts, answer_texts=texts), strict=True))


def labelled_texts(found, contexts, places) -> list[str | None]:
    """Return per window the text under its labelled tokens, None where it is labelled as without."""
    rows = zip(found["example"], found["context_first"], found["token_starts"], found["token_ends"], places, strict=True)
    return [contexts[e][starts[a - first] : ends[b - first]] if b else None for e, first, starts, ends, (a, b) in rows]


def assert_like_the_tokenizers_own(found, questions, contexts, tokenizer, *, max_length, stride):
    own = tokenizer(
        questions,
        contexts,
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    assert found["example"] == own["overflow_to_sample_mapping"]
    for name in {"input_ids", "token_type_ids"} & set(own):
        assert [list(row) for row in found[name]] == own[name]
    for row, offsets in enumerate(own["offset_mapping"]):
        context = [index for index, side in enumerate(own.sequence_ids(row)) if side == 1]
        assert context[0] == found["context_first"][row]
        expected = [offsets[index] for index in context]
        assert list(zip(found["token_starts"][row], found["token_ends"][row], strict=True)) == expected


def test_windows_are_those_that_the_tokenizer_itself_cuts(tokenizer):
    found = cut(QUESTIONS, CONTEXTS, tokenizer, max_length=70, stride=5)
    assert len(found["example"]) > len(QUESTIONS)
    assert_like_the_tokenizers_own(found, QUESTIONS, CONTEXTS, tokenizer, max_length=70, stride=5)


@real_squad.needed
@pytest.mark.parametrize("kind", real_squad.TOKENIZERS)
def test_real_windows_are_those_that_the_real_tokenizer_cuts(kind):
    rows = real_squad.read("squad/validation_a")[::40]
    questions, contexts, shape = rows["question"].tolist(), rows["context"].tolist(), {"max_length": 180, "stride": 31}
    found = cut(questions, contexts, real_squad.tokenizer(kind), **shape)
    assert_like_the_tokenizers_own(found, questions, contexts, real_squad.tokenizer(kind), **shape)


def test_every_context_token_is_in_a_window_and_windows_overlap_by_the_stride(tokenizer):
    found = cut(QUESTIONS, CONTEXTS, tokenizer)
    whole = cut(QUESTIONS, CONTEXTS, tokenizer, max_length=4000)["token_starts"]
    for example in range(len(QUESTIONS)):
        parts = [starts for index, starts in zip(found["example"], found["token_starts"], strict=True) if index == example]
        for before, after in zip(parts, parts[1:], strict=False):
            np.testing.assert_array_equal(before[-SHAPE["stride"] :], after[: SHAPE["stride"]])
        joined = np.concatenate([parts[0], *(part[SHAPE["stride"] :] for part in parts[1:])])
        np.testing.assert_array_equal(joined, whole[example])


def test_a_window_is_never_longer_than_asked_and_all_but_the_last_are_full(tokenizer):
    found = cut(QUESTIONS, CONTEXTS, tokenizer)
    for row, example in enumerate(found["example"]):
        last = found["example"][row + 1 : row + 2] != [example]
        assert len(found["input_ids"][row]) <= 40 if last else len(found["input_ids"][row]) == 40


def test_a_question_never_takes_more_than_a_quarter(tokenizer):
    found = cut([" ".join(TEXTS)], [CONTEXTS[0]], tokenizer)
    specials = tokenizer.num_special_tokens_to_add(pair=True)
    assert len(found["token_starts"][0]) == 40 - 10 - specials


def test_only_an_encoder_that_tells_them_apart_is_told_which_tokens_are_the_contexts(bert):
    found = cut(QUESTIONS, CONTEXTS, bert)
    for types, first in zip(found["token_type_ids"], found["context_first"], strict=True):
        assert not types[:first].any() and types[first:].all()
    assert "token_type_ids" not in windows.cut(QUESTIONS, CONTEXTS, tokenizer=bert, told_apart=False, **SHAPE)


def test_a_context_without_tokens_makes_one_window_without(tokenizer):
    found = cut(["a chore ?"], [""], tokenizer)
    assert [len(starts) for starts in found["token_starts"]] == [0]
    assert label(found, [0], ["a"]) == [(0, 0)]


@real_squad.needed
@pytest.mark.parametrize("kind", real_squad.TOKENIZERS)
def test_every_real_answer_is_found_again_where_it_is_labelled(kind, record_property):
    rows = real_squad.read("squad/train_subset")
    contexts, answers = rows["context"].tolist(), [texts[0] for texts in rows["texts"]]
    found = cut(rows["question"].tolist(), contexts, real_squad.tokenizer(kind), max_length=384, stride=128)
    texts = labelled_texts(found, contexts, label(found, rows["start"].tolist(), answers))
    pairs = {example: (text, answers[example]) for example, text in zip(found["example"], texts, strict=True) if text is not None}
    assert len(pairs) == len(rows)
    wider = [pair for pair in pairs.values() if squad.normalize(pair[0]) != squad.normalize(pair[1])]
    record_property("answers that end inside a token", len(wider))
    assert len(wider) < len(rows) / 100  # such as "six" in "sixth", where the label is off or a token holds more
    assert all(answer in text for text, answer in wider)


@real_squad.needed
@pytest.mark.parametrize("kind", real_squad.TOKENIZERS)
def test_a_real_window_holds_the_whole_answer_or_is_labelled_as_without(kind):
    rows = real_squad.read("squad/validation_a")[::5]
    contexts, answers, begins = rows["context"].tolist(), [texts[0] for texts in rows["texts"]], rows["start"].tolist()
    found = cut(rows["question"].tolist(), contexts, real_squad.tokenizer(kind), max_length=100, stride=40)
    texts = labelled_texts(found, contexts, label(found, begins, answers))
    for example, starts, ends, text in zip(found["example"], found["token_starts"], found["token_ends"], texts, strict=True):
        inside = starts[0] <= begins[example] and begins[example] + len(answers[example]) <= ends[-1]
        assert (text is not None) == inside
        assert text is None or answers[example] in text


def test_a_window_with_half_of_the_answer_is_labelled_as_without(bert):
    context = " ".join(TEXTS[:9])
    found = cut(["a chore ?"], [context], bert)
    edge = int(found["token_ends"][0][-1])  # the first window ends here
    start, end = context.rindex(" ", 0, edge - 12) + 1, context.index(" ", edge + 6)
    places = label(found, [start], [context[start:end]])
    assert places[0] == (0, 0)
    assert context[start:end] in labelled_texts(found, [context], places)


def test_the_answer_is_never_searched_in_the_question(tokenizer):
    context = "sharp writing and a brave ending"
    found = cut(["a brave"], [context], tokenizer, max_length=60)
    places = label(found, [context.index("a brave")], ["a brave"])
    assert places[0][0] > found["context_first"][0]
    assert labelled_texts(found, [context], places) == ["a brave"]


def test_the_labelled_answer_is_the_one_at_its_start_and_not_an_earlier_equal_one(tokenizer):
    context = "a chore from start to a chore"
    found = cut(["it drags"], [context], tokenizer, max_length=60)
    first, second = label(found, [0], ["a chore"]), label(found, [context.rindex("a chore")], ["a chore"])
    assert first[0][1] < second[0][0]


def test_blanks_around_an_answer_do_not_count(tokenizer):
    context = "sharp  writing and a brave ending"
    found = cut(["it drags"], [context], tokenizer, max_length=60)
    assert label(found, [5], ["  writing "]) == label(found, [7], ["writing"])


def test_a_question_without_answer_is_labelled_with_the_first_token(tokenizer):
    found = cut(QUESTIONS, CONTEXTS, tokenizer)
    assert set(label(found, [0] * 5, ["", " ", "", "", ""])) == {(0, 0)}


def test_a_tokenizer_that_does_not_say_where_its_tokens_lie_is_refused():
    with pytest.raises(UserError, match="only a fast tokenizer"):
        windows.cut(["a"], ["b"], tokenizer=CanineTokenizer(), told_apart=True, **SHAPE)


def test_a_stride_as_long_as_the_room_for_the_context_is_refused_and_the_next_lower_one_works(bert):
    with pytest.raises(UserError, match="give a stride below 27"):
        cut(["a"], ["b"], bert, stride=27)
    assert len(cut([" ".join(TEXTS)], [CONTEXTS[0]], bert, stride=26)["example"]) > 20
