"""SQuAD's counting: that of the official scripts, in each version, and a threshold that gives what it claims."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchmetrics.text import SQuAD

import real_squad
import squad_reference as reference
from encoder_compression.data.tasks import squad

ODDITIES = [
    "",
    " ",
    "the",
    "The, a!",
    "...",
    "an apple",
    "Apples?",
    "theatre",
    "co-operate",
    "cooperate",
    "U.S.",
    "us",
    "a\u00a0b",
    "“b”",
    "İ",
    "b b",
    "b",
]


def perturbed(texts: list[str], other: str, way: int) -> str:
    """Return a prediction near the first gold answer: one of eight kinds."""
    text = (texts or [other])[0]
    kinds = [text, other, text[: len(text) // 2], text[3:], f"The {text}", f"{text}, and an...", "", text.upper().replace(" ", "  ")]
    return kinds[way % len(kinds)]


def predictions(rows) -> list[str]:
    """Return a prediction per question; the other answer is that of the question before, mostly of the same paragraph."""
    texts = rows["texts"].tolist()
    others = [(before or [""])[0] for before in texts[-1:] + texts[:-1]]
    return [perturbed(own, other, way) for way, (own, other) in enumerate(zip(texts, others, strict=True))]


def credits(metric, given, golden, *, unanswerable) -> np.ndarray:
    return np.array([metric(one, texts, unanswerable=unanswerable) for one, texts in zip(given, golden, strict=True)])


def official_v1(given: list[str], golden: list[list[str]]) -> dict[str, float]:
    """Return the official v1.1 figures in percent as torchmetrics counts them."""
    metric = SQuAD()
    for index, (one, texts) in enumerate(zip(given, golden, strict=True)):
        answers = {"text": texts, "answer_start": [0] * len(texts)}
        metric.update([{"prediction_text": one, "id": str(index)}], [{"answers": answers, "id": str(index)}])
    return {name: float(value.to(torch.float64)) for name, value in metric.compute().items()}


def examples(golden: list[list[str]]) -> list:
    return [SimpleNamespace(qas_id=str(index), answers=[{"text": text} for text in texts]) for index, texts in enumerate(golden)]


@pytest.mark.parametrize("gold", ODDITIES)
def test_odd_texts_count_as_in_the_reference_for_v2(gold):
    texts = [gold] if reference.normalize_answer(gold) else [""]
    for given in ODDITIES:
        assert squad.exact_match(given, [gold], unanswerable=True) == reference.compute_exact(texts[0], given)
        assert squad.f1(given, [gold], unanswerable=True) == pytest.approx(reference.compute_f1(texts[0], given), abs=1e-6)


@real_squad.needed
def test_real_questions_count_as_in_the_reference_for_v2():
    rows = real_squad.read("squad_v2/validation_a")
    given, golden = predictions(rows), rows["texts"].tolist()
    exact, overlap = (credits(metric, given, golden, unanswerable=True) for metric in (squad.exact_match, squad.f1))
    expected_exact, expected_overlap = reference.get_raw_scores(examples(golden), {str(i): one for i, one in enumerate(given)})
    np.testing.assert_allclose(exact, list(expected_exact.values()), atol=1e-6)
    np.testing.assert_allclose(overlap, list(expected_overlap.values()), atol=1e-6)
    official = reference.make_eval_dict(expected_exact, expected_overlap)
    assert [100 * exact.mean(), 100 * overlap.mean()] == pytest.approx([official["exact"], official["f1"]], abs=1e-6)


@real_squad.needed
def test_real_questions_count_as_in_the_reference_for_v1():
    rows = real_squad.read("squad/validation_a")
    pairs = [
        (one, texts)
        for one, texts in zip(predictions(rows), rows["texts"], strict=True)
        if squad.normalize(one) and min(map(squad.normalize, texts))
    ]
    given, golden = zip(*pairs, strict=True)
    ours = {
        "exact_match": credits(squad.exact_match, given, golden, unanswerable=False),
        "f1": credits(squad.f1, given, golden, unanswerable=False),
    }
    parts = range(0, len(given), 250)  # torchmetrics adds in single precision, which loses digits over thousands
    for begin in parts:
        official = official_v1(given[begin : begin + 250], golden[begin : begin + 250])
        found = {name: 100 * values[begin : begin + 250].mean() for name, values in ours.items()}
        assert found == pytest.approx(official, rel=1e-6)


def test_in_v1_two_texts_that_normalize_to_nothing_match_without_a_word_in_common():
    assert squad.exact_match("the", ["a!"], unanswerable=False) == 1
    assert squad.f1("the", ["a!"], unanswerable=False) == 0  # evaluate-v1.1.py; torchmetrics says 1
    assert official_v1(["the"], [["a!"]]) == {"exact_match": 100, "f1": 100}


def test_in_v2_an_answer_that_normalizes_to_nothing_is_left_out():
    assert squad.exact_match("the", ["a!", "apple"], unanswerable=True) == 0
    assert squad.exact_match("the", ["a!", "apple"], unanswerable=False) == 1
    assert squad.exact_match("the", ["a!"], unanswerable=True) == squad.f1("the", ["a!"], unanswerable=True) == 1


def test_the_best_of_several_answers_counts():
    assert squad.f1("one two", ["one", "one two three four", "five"], unanswerable=False) == pytest.approx(2 / 3)
    assert squad.exact_match("Five.", ["one", "five"], unanswerable=False) == 1


def test_a_repeated_word_counts_as_often_as_both_sides_have_it():
    assert squad.f1("b b b", ["b b c"], unanswerable=False) == pytest.approx(2 / 3)


def test_a_question_without_gold_answers_is_an_error_only_where_all_should_have_one():
    assert squad.f1("", [], unanswerable=True) == squad.exact_match("", [], unanswerable=True) == 1
    for metric in (squad.f1, squad.exact_match):
        with pytest.raises(ValueError, match="without answers"):
            metric("", [], unanswerable=False)


def claimed_and_counted(odds, answered, unanswered) -> tuple[float, float]:
    threshold, claimed = squad.best_threshold(odds, answered, unanswered)
    json.dumps(threshold, allow_nan=False)
    return claimed, sum(none if odd > threshold else one for odd, one, none in zip(odds, answered, unanswered, strict=True))


@pytest.mark.parametrize("levels", [1, 2, 5, 1000])
def test_no_threshold_gives_more_and_the_best_gives_what_it_claims_though_odds_are_tied(levels):
    random = np.random.default_rng(levels)
    for _ in range(30):
        odds, answered = random.integers(0, levels, 60) / 7 - 1, random.random(60).round(2)
        unanswered = random.integers(0, 2, 60)
        claimed, counted = claimed_and_counted(odds, answered, unanswered)
        every = [np.where(odds > threshold, unanswered, answered).sum() for threshold in [-9.0, *odds]]
        assert claimed == pytest.approx(counted) == pytest.approx(max(every))


@real_squad.needed
def test_the_best_threshold_gives_as_much_as_the_references():
    rows = real_squad.read("squad_v2/validation_a")
    # Of a prediction such as "the", which is right where there is no answer, the reference takes a point that it had not given.
    given, golden = [one if squad.normalize(one) else "" for one in predictions(rows)], rows["texts"].tolist()
    odds = np.random.default_rng(0).normal(size=len(rows)) + [-1.0 * bool(texts) for texts in golden]
    for metric in (squad.exact_match, squad.f1):
        answered = credits(metric, given, golden, unanswerable=True)
        unanswered = credits(metric, [""] * len(rows), golden, unanswerable=True)
        names = [str(index) for index in range(len(rows))]
        tables = (dict(zip(names, values, strict=True)) for values in (given, answered, odds, [bool(texts) for texts in golden]))
        expected, threshold = reference.find_best_thresh(*tables)
        found, claimed = squad.best_threshold(odds, answered, unanswered)
        assert 100 * claimed / len(rows) == pytest.approx(expected, abs=1e-6)
        assert threshold <= found < odds[odds > threshold].min()


def test_the_threshold_is_the_middle_between_two_neighbours():
    assert squad.best_threshold([1.0, 4.0, 2.0], [1, 0, 1], [0, 1, 0]) == (3.0, 3.0)


def test_of_equal_sums_the_lowest_threshold_wins_whatever_the_order():
    answered, unanswered = np.array([1, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1])
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        assert squad.best_threshold(np.array([1.0, 2.0, 3.0, 4.0])[order], answered[order], unanswered[order]) == (1.5, 2.0)


def test_answering_none_or_all_holds_for_every_finite_odds():
    least, most = squad.best_threshold([5.0], [0], [1])[0], squad.best_threshold([5.0], [1], [0])[0]
    assert least < -1e300 and most > 1e300
    assert json.loads(json.dumps([least, most], allow_nan=False)) == [least, most]


def test_neighbours_without_a_number_between_them_are_still_told_apart():
    odds = [1.0, float(np.nextafter(1.0, 2))]
    assert claimed_and_counted(odds, [1, 0], [0, 1]) == (2.0, 2)
