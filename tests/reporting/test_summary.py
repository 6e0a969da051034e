"""The table is computed from saved files, keeps the factors of a speed-up, and counts seeds, examples and starts."""

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats import contingency_tables

from encoder_compression.reporting.summarize import collect_summaries
from encoder_compression.statistics.pareto import pareto_front
from saved_rows import ONNX, TORCH, SavedStudy, sample

CHAIN = "teacher+even1+int8"


def test_a_baseline_is_compared_with_nobody(tmp_path):
    row = SavedStudy(tmp_path, "teacher", "teacher+even1").aggregate().loc["teacher", TORCH]
    assert row["is_baseline"]
    assert row["speedup"] == 1
    assert row[["speedup_ci_low", "speedup_ci_high", "speedup_p_value", "speedup_p_holm", "p_value", "p_holm", "difference"]].isna().all()


def test_the_baseline_need_not_be_a_row(tmp_path):
    study = SavedStudy(tmp_path, "teacher+int8")
    study.save("teacher", ONNX, ratios=2.0)
    study.save("teacher+int8", ONNX, ratios=3.0)
    aggregate = study.aggregate()
    assert aggregate["speedup"].to_dict() == pytest.approx({("teacher+int8", ONNX): 6})
    assert not aggregate["is_baseline"].any()


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_the_factors_of_a_speedup_multiply_to_it(tmp_path, seeds):
    """The runtime doubles the speed; in it the student is 1.5 times as fast as the teacher and in INT8 6 times."""
    study = SavedStudy(tmp_path, CHAIN, seeds=seeds)
    for seed in seeds:
        study.save("teacher", ONNX, seed=seed, ms=6.0, ratios=[2 / 1.1, 2.0, 2 * 1.1])
        study.save("teacher+even1", ONNX, seed=seed, ms=4.0, ratios=1.5)
        study.save(CHAIN, ONNX, seed=seed, ms=1.0, ratios=[6 * 1.2, 6 / 1.2, 6.0])
    for row in (study.aggregate().loc[CHAIN, ONNX], study.table().by_seed.iloc[0]):
        assert row["speedup"] == pytest.approx(12)
        assert row["speedup_runtime"] == pytest.approx(2)
        assert row["speedup_compression"] == pytest.approx(6)
        kinds = {"speedup_depth": 1.5, "speedup_precision": 4, "speedup_weights": 1}
        assert row[list(kinds)].to_dict() == pytest.approx(kinds)
        assert row["speedup_ci_low"] < 12 < row["speedup_ci_high"]


def test_the_speedup_with_empty_caches_multiplies_runtime_and_compression_too(tmp_path):
    study = SavedStudy(tmp_path, "teacher", CHAIN, seeds=(1, 2))
    for seed, compressed in ((1, 2.0), (2, 8.0)):
        study.save("teacher", ONNX, seed=seed, ms=6.0, ratios=2.0, fresh=1.5)
        study.save(CHAIN, ONNX, seed=seed, ms=1.0, ratios=6.0, fresh=compressed)
    rows = study.aggregate()
    fresh = rows.loc[CHAIN, ONNX]
    assert (fresh["speedup_fresh"], fresh["fresh_latency_ms"]) == pytest.approx((1.5 * 4, 2.0))  # the seeds' geometric mean is 4
    assert rows.loc[("teacher", ONNX), "speedup_fresh"] == pytest.approx(1.5)
    assert rows.loc[("teacher", TORCH), "speedup_fresh"] == 1


def test_zeros_are_a_factor_of_their_own(tmp_path):
    chain = "teacher+even1+magnitude60+int8"
    study = SavedStudy(tmp_path, chain)
    for part, speed in (("teacher+even1", 2.0), ("teacher+even1+magnitude60", 1.8), (chain, 5.4)):
        study.save(part, ONNX, ratios=speed)
    row = study.aggregate().loc[chain, ONNX]
    assert [row[f"speedup_{name}"] for name in ("depth", "weights", "precision")] == pytest.approx([2, 0.9, 3])


def test_rounds_on_a_busy_machine_do_not_move_the_ratio_of_a_start(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    file = tmp_path / "results/mine/teacher+even1/seed1" / TORCH / "measurement.json"
    measured = json.loads(file.read_text(encoding="utf-8"))
    for launch in measured["launches"]:
        launch["rounds"][0]["latencies_ms"] = [1000.0] * 20
    file.write_text(json.dumps(measured), encoding="utf-8")
    assert study.aggregate().loc[("teacher+even1", TORCH), "speedup"] == pytest.approx(1)


def test_one_thread_is_timed_by_the_processors_clock_and_marked_where_the_wall_clock_says_otherwise(tmp_path):
    """Under other load the partner, which takes longer, waits more often for the processor: 22x by the wall clock and 11x by its own."""
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+magnitude60")
    study.save("teacher+even1", TORCH, ratios=11.0, gap=1.0, foreign=0.5)
    study.save("teacher+magnitude60", TORCH, ratios=1.0, gap=0.04, foreign=0.5)
    rows = study.aggregate()
    disturbed, quiet = rows.loc["teacher+even1", TORCH], rows.loc["teacher+magnitude60", TORCH]
    assert disturbed["speedup"] == pytest.approx(11, rel=0.01)
    assert (disturbed["clock_gap"], quiet["clock_gap"]) == pytest.approx((1.0, 0.04))
    assert (disturbed["noisy"], quiet["noisy"]) == (True, False)


def test_several_threads_are_timed_by_the_wall_clock(tmp_path):
    row = SavedStudy(tmp_path, "teacher").aggregate().loc["teacher", ONNX]
    assert np.isnan(row["clock_gap"])


def test_the_same_artifact_under_two_names_is_not_distinguishable(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "twin", seeds=(1, 2, 3), finetune=("teacher", "twin"))
    noise = np.exp(np.random.default_rng(1).normal(0, 0.05, (3, 2, 3)))
    for seed in (1, 2, 3):
        study.save("teacher", ONNX, seed=seed, ratios=2.0)
        for index, device in enumerate((TORCH, ONNX)):
            study.save("twin", device, seed=seed, ratios=list(noise[seed - 1, index]))
    for device in (TORCH, ONNX):
        row = study.aggregate().loc["twin", device]
        assert (row["difference"], row["p_holm"]) == (0, 1)
        assert row["speedup_compression_ci_low"] < 1 < row["speedup_compression_ci_high"]
        assert row["speedup_p_holm"] > 0.05


def test_scores_and_changes_come_from_the_saved_predictions(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    study.save("teacher+even1", TORCH, wrong=range(15, 37))  # 5 of the baseline's 20 mistakes, and 17 new ones
    row = study.aggregate().loc["teacher+even1", TORCH]
    assert row["score"] == pytest.approx(178 / 200)
    assert row["retained"] == pytest.approx(178 / 180)
    assert row["difference"] == pytest.approx(-2 / 200)
    assert row[["lost", "gained", "agreement"]].tolist() == pytest.approx([17 / 200, 15 / 200, 168 / 200])
    mcnemar = contingency_tables.mcnemar([[163, 15], [17, 5]], exact=False, correction=False)
    assert row["p_value"] == pytest.approx(mcnemar.pvalue, abs=0.02)
    assert row["score_ci_low"] < row["score"] < row["score_ci_high"]
    assert row["difference_ci_low"] < row["difference"] < row["difference_ci_high"]


def test_means_over_seeds_are_numpys_and_the_interval_counts_seeds_and_examples(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", seeds=(1, 2, 3))
    for seed, mistakes in ((1, 20), (2, 22), (3, 21)):
        study.save("teacher+even1", TORCH, seed=seed, wrong=range(mistakes))
    row, each = (
        study.aggregate().loc["teacher+even1", TORCH],
        study.table().by_seed.query("variant == 'teacher+even1' and device == @TORCH"),
    )
    scores = np.array([180, 178, 179]) / 200
    assert (row["seeds"], row["score"], row["score_sd"]) == pytest.approx((3, scores.mean(), scores.std(ddof=1)))
    width = row["score_ci_high"] - row["score_ci_low"]
    seeds_only = np.ptp(stats.ttest_1samp(scores, 0).confidence_interval())
    right = np.arange(200) >= 21
    examples_only = np.ptp(stats.bootstrap((right,), np.mean, method="percentile", rng=0).confidence_interval)
    assert width > max(seeds_only, 0.98 * examples_only)
    assert (each["score_ci_high"] - each["score_ci_low"]).tolist() == pytest.approx([examples_only] * 3, rel=0.1)


def test_p_values_are_corrected_for_the_different_predictions_of_a_variant_alone(tmp_path):
    """Two devices with the same predictions are one hypothesis, two with others are two, and one with the baseline's is none."""
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+width40", "teacher+magnitude60")
    for variant, wrong, elsewhere in (("even1", 32, 32), ("width40", 32, 28), ("magnitude60", 28, 20)):
        study.save(f"teacher+{variant}", TORCH, wrong=range(wrong))
        study.save(f"teacher+{variant}", ONNX, wrong=range(elsewhere))
    rows = study.aggregate()
    corrected = {key: row["p_holm"] / row["p_value"] for key, row in rows.iterrows() if not row["is_baseline"]}
    assert corrected["teacher+even1", TORCH] == corrected["teacher+even1", ONNX] == pytest.approx(1)
    assert (corrected["teacher+width40", TORCH], corrected["teacher+width40", ONNX]) == pytest.approx((2, 1))
    assert corrected["teacher+magnitude60", TORCH] == pytest.approx(1)
    assert rows.loc[("teacher+magnitude60", ONNX), "p_holm"] == rows.loc[("teacher", ONNX), "p_holm"] == 1


def test_an_interval_leaves_0_out_exactly_where_the_verdict_says_so(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+width40", seeds=(1, 2, 3))
    generator = np.random.default_rng(4)
    for variant, device in itertools.product(("even1", "width40"), (TORCH, ONNX)):
        wrong = generator.integers(20, 40)
        for seed in (1, 2, 3):
            study.save(f"teacher+{variant}", device, seed=seed, wrong=range(wrong + generator.integers(-3, 4)))
    rows = study.summarize().aggregate.query("not is_baseline")
    beyond = (rows["difference_ci_low"] > 0) | (rows["difference_ci_high"] < 0)
    assert (beyond == (rows["p_holm"] < 0.05)).all()
    assert (beyond == rows["verdict_kinds"].str.contains(r"^(?:drop|gain)\b")).all()
    assert 0 < beyond.sum() < len(rows)


def test_training_counts_the_whole_chain(tmp_path):
    table = SavedStudy(tmp_path, "teacher", "teacher+even1+magnitude60", CHAIN).aggregate()
    assert table["training_seconds"].xs(ONNX, level="device").to_dict() == {"teacher": 60, "teacher+even1+magnitude60": 110, CHAIN: 90}


def test_times_memory_and_formats_are_those_measured(tmp_path):
    study = SavedStudy(tmp_path, "teacher+int8")
    throughput = [{"batch_size": 1, "examples": 40, "seconds": 2.0}, {"batch_size": 8, "examples": 40, "seconds": 1.0}]
    proof = {"nodes": {"cpu": 3}, "matmuls": {"int8": 3, "float32": 1}}
    study.save("teacher+int8", ONNX, ms=5.0, throughput=throughput, proof=proof, zeros=250_000, matrix_zeros=200_000, memory_run_mb=17.5)
    row = study.aggregate().loc["teacher+int8", ONNX]
    assert row[[f"latency_ms_p{p}" for p in (50, 90, 99)]].tolist() == pytest.approx([5, 5, 5])
    assert row[["throughput_per_s", "throughput_batch_size", "memory_run_mb"]].tolist() == [40, 8, 17.5]
    assert row[["nonzero_parameters", "matrix_zeros_share", "integer_products_share"]].tolist() == [750_000, 0.25, 0.75]


def test_foreign_load_is_unknown_where_the_calls_took_less_than_a_second(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    study.save("teacher", TORCH, ms=10.0, foreign=0.5)
    study.save("teacher+even1", TORCH, ms=0.5, foreign=0.5)
    aggregate = study.aggregate().xs(TORCH, level="device")
    assert aggregate["noisy"].to_dict() == {"teacher": True, "teacher+even1": False}
    assert np.isnan(aggregate.loc["teacher+even1", "foreign_cpu_share"])


@pytest.mark.parametrize("limits", [{"points": 29}, {"points": 50, "gate": 0.9}], ids=["budget", "quality gate"])
def test_a_row_beyond_the_budget_or_below_a_gate_is_never_on_the_front_nor_in_the_answer(tmp_path, limits):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+magnitude60")
    study.save("teacher+even1", TORCH, wrong=range(80), ms=1.0, ratios=10.0, size_mb=0.1)
    study.save("teacher+magnitude60", TORCH, ms=9.0, ratios=1.2)
    written = study.summarize(**limits)
    on_torch = written.aggregate[written.aggregate["device"] == TORCH].set_index("variant")
    assert on_torch["can_win"].to_dict() == {"teacher": True, "teacher+even1": False, "teacher+magnitude60": True}
    assert on_torch["on_front"].to_dict() == {"teacher": False, "teacher+even1": False, "teacher+magnitude60": True}
    answer = next(answer for answer in written.facts["answers"] if answer["device"] == TORCH)
    assert "even1" not in str(answer)
    assert on_torch.loc["teacher+even1", "excluded_kinds"] == "beyond_budget"
    assert "| teacher+even1 ✗ |" in written.markdown and "| teacher+magnitude60 |" in written.markdown
    fastest = study.summarize(points=31).facts["answers"][0]["fastest"]["facts"]  # 30 points are lost on 200 sentences
    assert (fastest["variant"], fastest["open"]) == ("teacher+magnitude60", "teacher+even1")
    assert study.summarize(points=40).facts["answers"][0]["fastest"]["facts"]["variant"] == "teacher+even1"


def test_a_model_with_one_answer_cannot_win(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    study.save("teacher+even1", TORCH, wrong=range(0, 200, 2), ms=1.0, ratios=10.0)
    aggregate = study.aggregate(points=100)
    assert aggregate["can_win"].to_dict() == {index: index != ("teacher+even1", TORCH) for index in aggregate.index}


def test_rows_that_other_tests_make_up_have_the_columns_of_the_table(tmp_path):
    assert set(sample()) <= set(SavedStudy(tmp_path, "teacher", "teacher+int8").table().over_seeds)


def test_a_student_is_compared_with_the_same_student_without_a_teacher(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+even1-control")
    study.save("teacher+even1", TORCH, wrong=range(10))
    study.save("teacher+even1-control", TORCH, wrong=range(30))
    aggregate = study.summarize().aggregate.set_index(["variant", "device"])
    assert "against_control_gain" in aggregate.loc[("teacher+even1", TORCH), "verdict_kinds"].split()
    assert "rises by 10.0 points" in aggregate.loc[("teacher+even1", TORCH), "verdict"]
    assert aggregate["verdict_kinds"].str.contains("against_control").sum() == 1


NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e\+\d+)?(?![\w]*[A-WYZa-wyz])")


def figures(text: str) -> list[str]:
    return NUMBER.findall(re.sub(r"teacher[\w+]*|p < 0.001|one-sided 95 %|95 % CI|within 30 points", "", text))


def is_in(figure: str, row: pd.Series) -> bool:
    digits = len(figure.partition("e")[0].partition(".")[2])
    values = np.concatenate([[value, value * 100, value / 1e6] for value in row if isinstance(value, (int, float, np.number))])
    values = np.concatenate([values, -values])  # a drop is a change with its sign left out
    scale = float("1e" + (figure.partition("e+")[2] or "0"))
    return bool(np.nanmin(np.abs(values - float(figure))) <= 0.5001 * 10**-digits * scale)


def test_the_summary_shows_no_figure_that_is_not_in_the_table(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+int8", seeds=(1, 2))
    generator = np.random.default_rng(3)
    for row in study.study.table_rows():
        mistakes = generator.choice(200, generator.integers(0, 5) + 15 * row["seed"], replace=False)
        chosen = {"wrong": mistakes, "ms": generator.uniform(4, 9), "foreign": 0.31}
        ratios = None if row["folder"] == row["baseline"] else list(generator.uniform(1.5, 2.5, 3))
        more = {"zeros": 123_456, "matrix_zeros": 234_567, "size_mb": generator.uniform(2, 9), "compressed_mb": generator.uniform(1, 2)}
        study.save(row["variant"], row["device"], seed=row["seed"], ratios=ratios, **chosen, **more)
    written = study.summarize(points=30)
    lines = [line for line in written.markdown.splitlines() if line.startswith(("| teacher", "- **teacher"))]
    rows = [row for _, row in written.aggregate.iterrows()]
    assert {(row["variant"], row["device"]) for row in rows} == {(variant, device) for variant, _, device in study.study.rows()}
    assert len(lines) == 2 * len(rows)
    for line, row in zip(lines, rows * 2, strict=True):
        assert len(figures(line)) > 3
        assert [figure for figure in figures(line.replace("1 (baseline)", "")) if not is_in(figure, row)] == []


def test_what_distillation_adds_is_a_column(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1", "teacher+even1-control")
    study.save("teacher+even1", TORCH, wrong=range(7))
    study.save("teacher+even1-control", TORCH, wrong=range(53))
    row = study.summarize().aggregate.set_index(["variant", "device"]).loc["teacher+even1", TORCH]
    assert is_in("23.0", row)


def test_a_baseline_that_scores_nothing_does_not_stop_the_table(tmp_path):
    study = SavedStudy(tmp_path, "teacher", "teacher+even1")
    study.save("teacher", TORCH, wrong=range(200))
    assert study.aggregate().loc[("teacher", TORCH), "score"] == 0


def test_seeds_with_equal_scores_have_an_interval(tmp_path):
    study = SavedStudy(tmp_path, "teacher", seeds=(1, 2))
    study.save("teacher", TORCH, seed=2, wrong=range(20))
    row = study.aggregate().loc["teacher", TORCH]
    assert row["score_ci_low"] < row["score"] < row["score_ci_high"]


def test_the_pareto_front_holds_what_nothing_beats():
    cost, score = np.array([1.0, 2, 3, 4, 2]), np.array([0.5, 0.7, 0.6, 0.9, 0.65])
    assert pareto_front(cost, score).tolist() == [0, 1, 3]


def test_the_rows_of_several_experiments_make_one_table(tmp_path):
    for name in ("one", "other"):
        pd.DataFrame({"experiment": [name], "score": [1 / 3]}).to_csv(tmp_path / f"{name}.csv", index=False)
    files = [tmp_path / "one.csv", tmp_path / "other.csv"]
    assert collect_summaries(summaries=files, output=tmp_path / "all.csv") == {"rows": 2}
    assert pd.read_csv(tmp_path / "all.csv")["experiment"].tolist() == ["one", "other"]
