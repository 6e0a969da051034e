"""The table of a training in several processes says what was timed, and what the machine could not do."""

import pandas as pd

from encoder_compression.reporting import processes, text

TIMED = {
    "processes": 2,
    "threads_per_process": 4,
    "tokens_per_second": 12345.6,
    "tokens_per_second_low": 12000,
    "tokens_per_second_high": 12499.5,
    "epoch_seconds": 61.24,
    "speedup": 1.834,
    "efficiency": 0.917,
    "memory_mb_per_process": 1512.7,
}
SHOWN = ["2", "4", "12,346 (12,000–12,500)", "61.2", "1.83×", "92%", "1,513"]


def test_each_row_has_its_figures_and_what_was_left_out_has_dashes_and_the_reason(tmp_path):
    rows = [TIMED, {"processes": 4, "left_out": "needs 4 GPUs; there are 2"}]
    pd.DataFrame(rows).to_csv(tmp_path / "times.csv", index=False)
    table = processes.read(tmp_path / "times.csv")
    assert table["rows"] == [SHOWN, ["4 (needs 4 GPUs; there are 2)", *["–"] * 6]]
    lines = text.text_table(table, processes.NOTE).splitlines()
    assert {line.count("|") for line in lines[:4]} == {len(table["heads"]) + 1}
    assert lines[2] == f"| {' | '.join(SHOWN)} |"


def test_where_nothing_was_left_out_the_empty_column_is_none(tmp_path):
    pd.DataFrame([TIMED | {"left_out": ""}]).to_csv(tmp_path / "times.csv", index=False)
    assert processes.read(tmp_path / "times.csv")["rows"] == [SHOWN]


def test_an_experiment_that_does_not_ask_has_no_table():
    for absent in (None, []):
        assert text.text_table(processes.read(absent), processes.NOTE) == ""
