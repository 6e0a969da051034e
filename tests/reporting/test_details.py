"""Slices hold every example once, the grid has medians, and the proof says what ran where."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from encoder_compression.reporting import details
from saved_rows import DEVICES, LABELS, ONNX, TORCH, SavedStudy

LENGTHS = np.random.default_rng(4).integers(5, 40, len(LABELS))


def slices(study: SavedStudy):
    return details.slices(study.table())


def save_lengths(study: SavedStudy, tokens: np.ndarray, **figures) -> None:
    for device in (TORCH, ONNX):
        study.save("teacher", device, tokens=tokens, **figures)


@pytest.mark.parametrize(
    "tokens",
    [LENGTHS, np.where(LENGTHS < 30, 5, LENGTHS), np.where(LENGTHS < 10, LENGTHS, 39), 5 + LABELS],
    ids=["even", "mostly short", "mostly long", "two lengths"],
)
def test_slices_of_each_kind_hold_every_example_once(tmp_path, tokens):
    study = SavedStudy(tmp_path, "teacher")
    save_lengths(study, tokens)
    table = slices(study)
    assert set(table.groupby(["variant", "device", "kind"])["examples"].sum()) == {len(LABELS)}
    right = (table["examples"] * table["score"]).groupby([table["device"], table["kind"]]).sum()
    assert right.to_dict() == pytest.approx({(device, kind): len(LABELS) - 20 for device in DEVICES for kind in ("label", "length")})


def test_sentences_of_one_length_are_one_slice(tmp_path):
    table = slices(SavedStudy(tmp_path, "teacher"))
    assert table.query("kind == 'length' and device == @TORCH")["slice"].tolist() == ["8 tokens"]


def test_the_names_of_length_slices_say_which_examples_they_hold(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    save_lengths(study, LENGTHS)
    by_length = slices(study).query("kind == 'length' and device == @TORCH").set_index("slice")["examples"]
    assert len(by_length) == 4
    for name, examples in by_length.items():
        bounds = [int(bound) for bound in name.removesuffix(" tokens").split("–")]
        first, last = bounds[0], bounds[-1]
        assert np.sum((first <= LENGTHS) & (last >= LENGTHS)) == examples


def test_the_score_of_a_label_is_its_recall_with_wilsons_interval(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    save_lengths(study, LENGTHS, wrong=range(0, 60, 2))  # 30 of the 100 bad ones
    labels = slices(study).query("kind == 'label' and device == @TORCH").set_index("slice")
    assert labels["score"].to_dict() == pytest.approx({"bad": 0.7, "good": 1})
    # Newcombe 1998, Wilson's score: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    z = 1.959964
    center, half = 0.7 + z**2 / 200, z * np.sqrt(0.21 / 100 + z**2 / 40000)
    bounds = (center - half) / (1 + z**2 / 100), (center + half) / (1 + z**2 / 100)
    assert tuple(labels.loc["bad", ["score_ci_low", "score_ci_high"]]) == pytest.approx(bounds)
    assert tuple(labels.loc["good", ["score_ci_low", "score_ci_high"]]) == pytest.approx(proportion_confint(100, 100, method="wilson"))


def test_a_row_with_pieces_of_its_own_has_the_slices_of_the_others_with_the_same_examples(tmp_path):
    """A pruned vocabulary reads the same sentences in more pieces: its buckets must still be those of the data set."""
    study = SavedStudy(tmp_path, "teacher", "teacher+words100")
    short = np.quantile(LENGTHS, 0.25) >= LENGTHS
    for row in study.study.table_rows():
        tokens = 2 * LENGTHS + LABELS if row["variant"] == "teacher+words100" else LENGTHS
        study.save(row["variant"], row["device"], tokens=tokens, wrong=np.flatnonzero(short))
    table = slices(study).query("kind == 'length' and device == @TORCH")
    by_variant = table.pivot(index="slice", columns="variant", values=["examples", "score"])
    assert len(by_variant) == 4
    assert (by_variant["examples"]["teacher+words100"] == by_variant["examples"]["teacher"]).all()
    assert sorted(by_variant["score"]["teacher+words100"]) == [0, 1, 1, 1]


def test_slices_are_means_over_seeds(tmp_path):
    study = SavedStudy(tmp_path, "teacher", seeds=(1, 2))
    study.save("teacher", TORCH, seed=1, wrong=range(0, 20, 2))
    study.save("teacher", TORCH, seed=2, wrong=range(0, 80, 2))
    labels = slices(study).query("kind == 'label' and device == @TORCH").set_index("slice")
    assert labels.loc["bad", ["examples", "score"]].tolist() == pytest.approx([100, 0.75])


def test_cells_of_the_grid_have_medians_and_the_range_of_the_ratios(tmp_path):
    study = SavedStudy(tmp_path, "teacher+int8")
    cell = {"batch_size": 8, "length": 128, "latencies_ms": [1.0, 2.0, 30.0], "partner_latencies_ms": [2.0, 6.0, 30.0]}
    study.save("teacher+int8", ONNX, grid=[cell])
    expected = {"batch_size": 8, "length": 128, "latency_ms": 2, "speedup": 2, "speedup_low": 1, "speedup_high": 3}
    assert details.grid(study.table()).iloc[0][list(expected)].to_dict() == expected


def test_a_baseline_is_as_fast_as_itself_in_every_cell(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    study.save("teacher", TORCH, grid=[{"batch_size": 1, "length": 32, "latencies_ms": [1.0, 2.0], "partner_latencies_ms": None}])
    assert details.grid(study.table())[["speedup", "speedup_low", "speedup_high"]].to_numpy().tolist() == [[1, 1, 1]]


def test_without_a_grid_its_table_still_has_columns(tmp_path):
    empty = details.grid(SavedStudy(tmp_path, "teacher").table())
    assert len(empty) == 0
    assert {"batch_size", "length", "latency_ms"} <= set(empty)


def test_real_lengths_are_compared_with_the_longest_single_sentence_of_the_grid(tmp_path):
    study = SavedStudy(tmp_path, "teacher")
    sizes = [(1, 32, 12.0), (1, 128, 30.0), (8, 256, 99.0)]
    grid = [{"batch_size": b, "length": n, "latencies_ms": [ms] * 3, "partner_latencies_ms": None} for b, n, ms in sizes]
    study.save("teacher", TORCH, ms=10.0, grid=grid)
    aggregate = study.aggregate()["speedup_length"]
    assert aggregate["teacher", TORCH] == pytest.approx(3)
    assert np.isnan(aggregate["teacher", ONNX])


def test_the_proof_says_what_ran_where(tmp_path):
    study = SavedStudy(tmp_path, "teacher+int8")
    proof = {"nodes": {"CPUExecutionProvider": 7, "CUDAExecutionProvider": 2}, "matmuls": {"int8": 6, "float32": 1}}
    study.save("teacher+int8", ONNX, proof=proof, cores=[2, 3], dtypes={"int8": 750_000, "float32": 250_000}, ran_on="CPUExecutionProvider")
    (found,) = details.proofs(study.table())
    assert found["operators"] == "nodes: 7 on CPUExecutionProvider, 2 on CUDAExecutionProvider; matrix products: 6 in int8, 1 in float32"
    assert (found["affinity"], found["dtypes"]) == ("core 2, 3", "int8 0.75M, float32 0.25M")
    assert (found["variant"], found["device"], found["ran_on"], found["threads"]) == ("teacher+int8", ONNX, "CPUExecutionProvider", 1)
