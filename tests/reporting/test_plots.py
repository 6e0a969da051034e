"""Pictures stay readable: rows far below the others are named under them, and names are no longer than they must be."""

import numpy as np
import pandas as pd
import pytest

from encoder_compression.reporting import plots
from encoder_compression.reporting.picture import short_names


def table(*retained: float) -> pd.DataFrame:
    rows = [
        {"variant": variant, "device": "cpu-pytorch", "score": 0.9 * share, "retained": share, "latency_ms_p50": 5.0 + number}
        for number, (variant, share) in enumerate(zip(("teacher", "teacher+even3", "teacher+even3-control"), retained, strict=True))
    ]
    frame = pd.DataFrame(rows)
    ends = {"score_ci_low": frame["score"] - 0.01, "score_ci_high": frame["score"] + 0.01}
    return frame.assign(**ends, is_baseline=frame["variant"] == "teacher", can_win=True, metric="accuracy", experiment="mine")


@pytest.mark.parametrize(("share", "drawn"), [(0.95, True), (0.5, False)])
def test_a_row_far_below_the_others_is_named_under_the_picture(tmp_path, share, drawn):
    plots._plot_tradeoff(table(1, share, 0.98), "latency_ms_p50", "latency", tmp_path / "picture")
    text = (tmp_path / "picture.svg").read_text(encoding="utf-8")
    assert ("far below the picture: teacher+even3 (45.0%)" in text) != drawn
    assert ("<!-- even3 -->" in text) == drawn
    assert "<!-- control of even3 -->" in text


def test_points_upon_each_other_are_named_once(tmp_path):
    frame = pd.concat([table(1, 0.95, 0.98), table(1, 0.95, 0.9).assign(device="cpu-onnxruntime")], ignore_index=True)
    plots._plot_tradeoff(frame, "latency_ms_p50", "latency", tmp_path / "picture")
    text = (tmp_path / "picture.svg").read_text(encoding="utf-8")
    assert [text.count(f"<!-- {name} -->") for name in ("teacher", "even3", "control of even3")] == [1, 1, 2]


def test_names_leave_out_the_step_that_most_begin_with_unless_two_would_be_one():
    assert short_names(["teacher", "teacher+even3", "lora4"]) == {"teacher": "teacher", "teacher+even3": "even3", "lora4": "lora4"}
    alike = ["teacher", "teacher+lora4", "lora4"]
    assert short_names(alike) == {name: name for name in alike}


@pytest.mark.parametrize(("costs", "most"), [((1.0, 12.0), 25), ((0.015, 13.0), 12)])
def test_ticks_of_a_wide_range_are_few_enough_to_be_read(costs, most):
    first, last = costs
    decades = np.log10(last / first)
    assert 3 <= decades * len(plots._ticks(pd.Series(costs))) <= most
