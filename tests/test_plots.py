"""Pictures stay readable: rows far below the others are named under them, and names are no longer than they must be."""

import pandas as pd
import pytest

from encoder_compression.reporting import plots


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
    plots._plot_tradeoff(table(1, share, 0.98), "latency_ms_p50", "latency", 0.99, tmp_path / "picture")
    text = (tmp_path / "picture.svg").read_text()
    assert ("far below the picture: teacher+even3 (45.0%)" in text) != drawn
    assert ("<!-- even3 -->" in text) == drawn
    assert "<!-- control of even3 -->" in text
