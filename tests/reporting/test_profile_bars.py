"""The report shows where a call's milliseconds go: a bar, a sentence and a picture for each profile."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from encoder_compression.measurement.operators import KINDS
from encoder_compression.reporting import profiles
from encoder_compression.reporting.plots import plot
from saved_rows import ONNX, TORCH, SavedStudy, save_profile

INT8 = {"matmul": 2.0, "quantize/dequantize": 1.24, "attention": 0.4, "runtime overhead": 0.36}


def folder_of(root: Path, variant: str = "teacher+int8", device: str = ONNX) -> Path:
    return root / variant / "seed1" / device / "profile"


def test_each_kind_of_a_profile_has_a_colour_of_its_own():
    assert tuple(profiles.COLORS) == KINDS
    assert len(set(profiles.COLORS.values())) == len(KINDS)


def test_a_bar_has_the_kinds_that_take_time_of_the_input_of_median_length(tmp_path):
    save_profile(folder_of(tmp_path), **INT8)
    bar = profiles.read(folder_of(tmp_path))
    assert (bar["variant"], bar["device"], bar["milliseconds"], bar["tokens"], bar["noisy"]) == ("teacher+int8", ONNX, 4.0, 26, False)
    assert {part["kind"]: part["milliseconds"] for part in bar["parts"]} == INT8
    assert {part["kind"]: part["share"] for part in bar["parts"]}["quantize/dequantize"] == pytest.approx(0.31)
    assert [part["kind"] for part in bar["parts"]] == [kind for kind in KINDS if kind in INT8]


def test_a_sentence_tells_the_largest_kind_beside_the_products(tmp_path):
    save_profile(folder_of(tmp_path), **INT8)
    finding = profiles.read(folder_of(tmp_path))["finding"]
    words = "31% of a call's time is quantizing and dequantizing, 60% matmul and attention."
    assert (finding.kind, finding.text) == ("where_time_goes", f"teacher+int8 on {ONNX}: {words}")
    assert finding.facts["largest"] == "quantize/dequantize"


def test_a_call_of_products_alone_has_a_sentence_too(tmp_path):
    save_profile(folder_of(tmp_path), matmul=2.0)
    assert profiles.read(folder_of(tmp_path))["finding"].text.endswith("0% of a call's time is normalization, 100% matmul and attention.")


def test_a_profile_beside_other_programs_is_marked(tmp_path):
    save_profile(folder_of(tmp_path), foreign=0.3, **INT8)
    assert profiles.read(folder_of(tmp_path))["noisy"]


@pytest.fixture
def study(tmp_path) -> SavedStudy:
    study = SavedStudy(tmp_path, "teacher", "teacher+int8", profile=["teacher", "teacher+int8"])
    for folder in study.study.profiles():
        save_profile(Path(folder), **INT8)
    return study


def test_page_and_summary_have_a_bar_and_a_sentence_for_every_device_of_a_variant(study):
    save_profile(Path(study.study.profiles()[0]), foreign=0.3, **INT8)
    written = study.summarize()
    assert written.page.partition("<script")[0].count("⚠ noisy") == 1
    expected = [f"{variant} on {device}" for variant, device in (("teacher", TORCH), ("teacher", ONNX), ("teacher+int8", ONNX))]
    said = re.findall(r"^- (.+): 31% of a call's time is quantizing", written.markdown, re.MULTILINE)
    assert said == expected
    shown = re.findall(r'role="img" aria-label="([^:]+): matmul 50% attention 10%', written.page)
    assert shown == expected
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', written.page, re.DOTALL)[1])
    assert [bar["finding"]["kinds"] for bar in data["profiles"]] == [["where_time_goes"]] * 3


def test_without_profiles_there_is_neither(tmp_path):
    written = SavedStudy(tmp_path, "teacher").summarize()
    assert "milliseconds go" not in written.markdown
    assert 'id="profiles"' not in written.page


def test_the_picture_names_kinds_variants_and_devices(study, tmp_path):
    study.summarize()
    folders = study.study.profiles()
    pictures = plot(aggregate=tmp_path / "aggregate.csv", models=[], pretrained=[], profiles=folders, folder=tmp_path / "plots")["pictures"]
    assert "profile.png" in pictures
    text = (tmp_path / "plots" / "profile.svg").read_text(encoding="utf-8")
    for name in (*INT8, "teacher+int8", ONNX, TORCH):
        assert f"<!-- {name}" in text or f"{name} -->" in text
    assert "<!-- embedding -->" not in text
    assert pd.read_csv(tmp_path / "aggregate.csv")["variant"].tolist()
