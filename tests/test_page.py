"""The report is one file that loads nothing, shows what it was given, and works in a real browser at the width of a phone."""

import base64
import json
import math
import random
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from encoder_compression.reporting.page import figure, interval, render

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
CHAINS = {  # variant: (accuracy, p50 ms in PyTorch, size MB)
    "teacher": (0.861, 13.66, 90.9),
    "teacher+even3": (0.848, 7.17, 69.6),
    "teacher+even3-control": (0.841, 7.16, 69.6),
    "teacher+odd3": (0.847, 6.68, 69.6),
    "teacher+magnitude60": (0.857, 14.07, 90.9),
    "teacher+magnitude90": (0.759, 13.96, 90.9),
    "teacher+int8": (0.862, 5.3, 23.1),
    "teacher+even3+int8": (0.850, 2.6, 17.6),
    "teacher+even3+magnitude60+int8": (0.843, 2.55, 17.6),
}
DEVICES = {"cpu-onnxruntime": 1.85, "cpu-pytorch": 1.0}  # how much faster than PyTorch
COLUMNS = [  # key, label, group, format, digits, better, low and high, shown
    ("score", "accuracy", "quality", "percent", 1, "high", "score_ci", True),
    ("retained", "retained", "quality", "percent", 1, "high", None, True),
    ("agreement", "agreement", "quality", "percent", 1, "high", None, False),
    ("p_value", "p against baseline", "quality", "p", 2, "none", None, False),
    ("latency_ms_p50", "p50", "speed", "ms", 2, "low", "latency_ci", True),
    ("latency_ms_p99", "p99", "speed", "ms", 2, "low", None, False),
    ("speedup", "speed-up", "speed", "ratio", 2, "high", "speedup_ci", True),
    ("throughput_per_s", "sentences/s", "speed", "count", 0, "high", None, False),
    ("size_mb", "size MB", "memory and size", "mb", 1, "low", None, True),
    ("memory_run_mb", "run memory", "memory and size", "mb", 0, "low", None, True),
    ("parameters", "parameters", "memory and size", "millions", 1, "low", None, False),
    ("training_seconds", "training", "cost", "seconds", 0, "low", None, False),
    ("precision", "precision", "cost", "text", 0, "none", None, False),
]


def sample_column(key, label, group, kind, digits, better, bounds, shown) -> dict:
    ends = {side: bounds and f"{bounds}_{side}" for side in ("low", "high")}
    facts = {"key": key, "label": label, "group": group, "format": kind, "digits": digits, "better": better, "shown": shown}
    return facts | ends | {"help": f"How {label} is measured, in one sentence."}


def sample_row(variant: str, device: str) -> dict:
    score, latency, size = CHAINS[variant]
    latency, speedup = latency / DEVICES[device], 13.66 * DEVICES[device] / latency
    noise = random.Random(variant + device).uniform(0.02, 0.06)
    states = {
        "is_baseline": variant == "teacher" and device == "cpu-pytorch",
        "is_control": "control" in variant,
        "passes_gate": score >= 0.861 * 0.98,
        "can_win": score >= 0.861 * 0.98,
        "seeds_of_one_class": 0,
        "on_front": False,
        "noisy": variant == "teacher+odd3" and device == "cpu-pytorch",
    }
    verdict = f"Loses {(0.861 - score) * 100:.1f} points: not distinguishable.\nRuns {speedup:.2f}× as fast as the baseline."
    figures = {"score": score, "score_ci_low": score - 0.017, "score_ci_high": score + 0.017, "retained": score / 0.861, "agreement": 0.9}
    figures |= {"difference": score - 0.861}
    figures |= {"latency_ms_p50": latency, "latency_ci_low": latency * (1 - noise), "latency_ci_high": latency * (1 + noise)}
    figures |= {"speedup": speedup, "speedup_ci_low": speedup * (1 - noise), "speedup_ci_high": speedup * (1 + noise)}
    figures |= {"latency_ms_p99": latency * 2.4, "throughput_per_s": 2200 / latency, "size_mb": size, "p_value": 0.0004}
    figures |= {
        "precision": "fp32",
        "memory_run_mb": None if "odd3" in variant else size + 60,
        "parameters": 17_400_000,
        "training_seconds": 358.2,
    }
    return {"variant": variant, "device": device, "seeds": 3, "verdict": verdict} | states | figures


def mark_front(rows: list[dict]) -> None:
    for row in rows:
        cheaper = [other["score"] for other in rows if other["can_win"] and other["latency_ms_p50"] < row["latency_ms_p50"]]
        row["on_front"] = row["can_win"] and row["score"] > max(cheaper, default=0)


def sample_curve(variant: str, seed: int) -> dict:
    points = []
    for step in range(1, 41):
        loss = 0.7 * math.exp(-step / (8 + len(variant) / 3)) + 0.1 + random.Random(f"{variant}{seed}{step}").uniform(0, 0.03)
        soft = loss / 2 if "3" in variant else None
        score = CHAINS[variant][0] - 0.3 * math.exp(-step / (9 + seed)) if step % 10 == 0 else None
        losses = {"loss": loss, "loss_hard": soft, "loss_soft": soft, "loss_hidden": None}
        speed = {"learning_rate": 5e-5 * (1 - step / 41), "tokens_per_second": 9000 / CHAINS[variant][1] + 9 * seed}
        points.append({"epoch": step / 10, "step": step * 30, "eval_score": score} | losses | speed)
    return {"variant": variant, "seed": seed, "points": points}


def sample_slices(rows: list[dict]) -> list[dict]:
    parts = [("length", "1-16 tokens", 400), ("length", "17-32 tokens", 800), ("length", "33 or more", 400)]
    parts += [("label", "negative", 801), ("label", "positive", 799)]
    return [
        {"variant": row["variant"], "device": row["device"], "kind": kind, "slice": name, "examples": count, "score": row["score"] - 0.01}
        | {"score_ci_low": row["score"] - 0.04, "score_ci_high": row["score"] + 0.02}
        for row in rows
        for kind, name, count in parts
    ]


def sample_grid(rows: list[dict]) -> list[dict]:
    return [
        {"variant": row["variant"], "device": row["device"], "batch_size": batch, "length": length}
        | {"latency_ms": row["latency_ms_p50"] * batch * length / 32, "speedup": 2.1, "speedup_low": 2.0, "speedup_high": 2.2}
        for row in rows
        for batch in (1, 8)
        for length in (32, 128)
    ]


def sample_records(rows: list[dict]) -> dict:
    ran = {"ran_on": "CPUExecutionProvider", "threads": 1, "affinity": "core 0", "library": "onnxruntime 1.31.1"}
    ran |= {"operators": "95 of 95 nodes on CPUExecutionProvider; 37 of 49 matrix products in INT8", "dtypes": "int8 22.1M, float32 0.6M"}
    made = {"seed": 1, "artifact": "results/reviews/teacher/seed1/model", "commit": "2852d3c", "modified": False, "seconds": 170.2}
    made |= {"inputs": "train.parquet 1f0c…", "options": json.dumps({"epochs": 4, "learning_rate": 5e-5, "batch_size": 32})}
    return {
        "proofs": [{"variant": row["variant"], "device": row["device"]} | ran for row in rows],
        "provenance": [{"variant": variant} | made | {"modified": "odd3" in variant} for variant in CHAINS],
        "method": [["score, interval", "saved artifact on the test split; bootstrap"], ["speed-up", "in turns on the same sentences"]],
    }


def sample() -> dict:
    """Return what `render` takes: the study of the README on two devices."""
    rows = [sample_row(variant, device) for variant in CHAINS for device in DEVICES if "int8" not in variant or "onnx" in device]
    mark_front(rows)
    smallest = "teacher+even3+int8: 17.6 MB, 85.0 %, 1.1 points below the baseline (interval −0.6 to 2.8)."
    fastest = "teacher+int8: 4.77× as fast, 86.2 %, none lost."
    return {
        "experiment": "reviews", "metric": "accuracy", "unit": "sentence", "right": "accuracy", "seeds": [1, 2, 3], "test_examples": 1600,
        "machine": "AMD EPYC, 2 cores, 23.5 GB; avx2, avx512_vnni", "revisions": ["2852d3c"],
        "warnings": ["teacher+odd3 on cpu-pytorch: other programs took 22 % of the processors; do not rely on its times."],
        "gate": {"retained": 0.98}, "budget_points": 1.0,
        "answers": [{"device": device, "smallest": smallest, "fastest": fastest} for device in DEVICES],
        "columns": [sample_column(*facts) for facts in COLUMNS], "rows": rows, "baseline_score": dict.fromkeys(DEVICES, 0.861),
        "slices": sample_slices(rows), "grid": sample_grid(rows),
        "curves": [sample_curve(variant, seed) for variant in list(CHAINS)[:4] for seed in (1, 2, 3)],
    } | sample_records(rows)  # fmt: skip


class Reader(HTMLParser):
    """What a page would load, its policy, its scripts, and the text of each cell of the table of variants."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses, self.scripts, self.cells, self.policy, self.tags = [], [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.addresses += [attributes[name] for name in ("src", "href", "action", "data", "srcset") if name in attributes]
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        if tag in ("td", "th"):
            self.cells.append("")
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, text):
        if self.tags[-1:] == ["script"]:
            self.scripts[-1] += text
        elif self.cells:
            self.cells[-1] += text


def write(data: dict, folder: Path) -> str:
    render(data, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    return write(sample(), tmp_path_factory.mktemp("page"))


def test_page_loads_nothing(text):
    page = Reader(text)
    assert page.addresses == ["data:,"]
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "@import" not in text.split("</style>")[0] and "url(" not in text.split("</style>")[0]


def test_names_cannot_break_out(tmp_path):
    data, evil = sample(), "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    data["rows"][0] |= {"variant": evil, "verdict": evil}
    data["curves"][0]["variant"] = data["slices"][0]["slice"] = data["provenance"][0]["options"] = evil
    page = Reader(write(data, tmp_path))
    assert page.addresses == ["data:,"]
    assert "img" not in page.tags
    assert len(page.scripts) == 3
    assert json.loads(page.scripts[0])["rows"][0]["variant"] == evil


def test_values_shown_are_those_given(text):
    for number, row in enumerate(sample()["rows"]):
        line = text.split(f'<tbody data-row="{number}"')[1].split("</tbody>")[0]
        cells = [cell.strip() for cell in Reader("<table><tbody" + line).cells]
        score = f"{row['score']:.1%}{row['score_ci_low'] * 100:.1f}–{row['score_ci_high']:.1%}"
        speedup = f"{row['speedup']:.2f}×{row['speedup_ci_low']:.2f}–{row['speedup_ci_high']:.2f}×"
        assert score in cells
        assert speedup in cells
        assert {row["device"], f"{row['size_mb']:.1f}", f"{row['latency_ms_p99']:.2f}", "17.4", "<0.001", row["verdict"]} <= set(cells)
    assert json.loads(Reader(text).scripts[0])["rows"] == sample()["rows"]


def test_what_was_not_measured_is_a_dash_that_says_why(text):
    absent = [row for row in sample()["rows"] if row["memory_run_mb"] is None]
    assert text.count('title="run memory was not measured for this row"') == len(absent) > 0


def test_states_are_words(text):
    rows = sample()["rows"]
    states = [("passes_gate", False, ">fails the gate<"), ("noisy", True, ">⚠ noisy<"), ("is_baseline", True, ">baseline<")]
    for key, value, words in states:
        assert text.split("<script")[0].count(words) == sum(row[key] is value for row in rows) > 0


def test_figures_in_each_format():
    shown = [(0.8614, "percent", 1), (1.854, "ratio", 2), (22.7e6, "millions", 1), (12345.6, "count", 0), (0.0004, "p", 2), (0.614, "p", 2)]
    assert [figure(*case) for case in shown] == ["86.1%", "1.85×", "22.7", "12,346", "<0.001", "0.61"]
    column = {"low": "low", "high": "high", "format": "number", "digits": 1}
    assert interval({"low": -0.6, "high": 2.8}, column) == "-0.6 to 2.8"
    assert interval({"low": None, "high": 2.8}, column) == ""


def test_empty_parts_are_left_out_and_nan_is_refused(tmp_path):
    data = sample() | dict.fromkeys(("warnings", "answers", "slices", "grid", "curves", "proofs", "provenance"), []) | {"gate": None}
    headings = re.findall("<h2>(.*?)</h2>", write(data, tmp_path))
    assert headings == ["All variants", "How each figure is measured"]
    data["rows"][0]["score"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        render(data, tmp_path / "nan.html")


# In the browser. One start opens every view in a frame of its own, whose document a script of ours asks and presses.

VIEWS = {  # name: (address after #, width)
    "plain": ("", 1280),
    "phone": ("more=speed&more=cost&verdicts=1", 390),
    "sorted": ("sort=-speedup", 1280),
    "filtered": ("device=cpu-onnxruntime&search=even3&points=1.5&x=size_mb", 1280),
    "unknown": ("device=gone&sort=gone&x=gone&search=", 390),
}
PROBE = """
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const all = (root, selector) => [...root.querySelectorAll(selector)];
function look(frame) {
  const page = frame.contentDocument, bodies = all(page, "tbody[data-row]").filter((body) => !body.hidden);
  const sorted = all(page, "th[data-key]").filter((head) => head.ariaSort !== "none");
  const line = page.querySelector("#tradeoff").data[0];
  return {
    rows: bodies.map((body) => +body.dataset.row), address: frame.contentWindow.location.hash,
    sorted: sorted.map((head) => [head.dataset.key, head.ariaSort]),
    points: all(page, "#tradeoff .points path.point").length, front: line.x,
    names: all(page, "#tradeoff .annotation").map((name) => name.textContent),
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth, count: page.querySelector("#count").textContent,
    heads: all(page, "th[data-key]").filter((head) => !head.hidden).map((head) => head.dataset.key),
    verdicts: all(page, ".verdict").filter((row) => !row.hidden).length,
    buttons: all(page, ".modebar-btn").map((button) => button.dataset.title), curves: all(page, "#curves .scatterlayer .trace").length,
    ink: page.querySelector("#tradeoff .xtitle").style.fill,
    closed: all(page, "details:not([open])").length,
  };
}
async function press(frame) {
  const page = frame.contentDocument, seen = {};
  page.querySelector("th[data-key=score] button").click();
  seen.once = look(frame);
  page.querySelector("th[data-key=score] button").click();
  seen.twice = look(frame);
  page.querySelector("[name=search]").value = "magnitude";
  page.querySelector("[name=search]").dispatchEvent(new Event("input", {bubbles: true}));
  page.querySelector(".opener").click();
  await wait(300);
  seen.typed = look(frame);
  page.querySelector("[type=reset]").click();
  await wait(300);
  seen.reset = look(frame);
  frame.contentWindow.dispatchEvent(new Event("beforeprint"));
  await wait(300);
  seen.printed = look(frame);
  frame.contentWindow.dispatchEvent(new Event("afterprint"));
  return seen;
}
onload = async () => {
  await wait(1500);
  const seen = Object.fromEntries(all(document, "iframe").map((frame) => [frame.id, look(frame)]));
  seen.pressed = await press(document.querySelector("#plain"));
  document.querySelector("#seen").textContent = btoa(JSON.stringify(seen).replace(/[^\x20-\x7e]/g, "?"));
};
"""


def browse(page: Path, views: dict, *options: str) -> dict:
    """Return what the views of ``page`` show, and under ``console`` what the browser had to complain of."""
    frame = '<iframe id="{}" width="{}" height="900" src="{}#{}"></iframe>'
    frames = "".join(frame.format(name, width, page.name, address) for name, (address, width) in views.items())
    scheme = '<meta name="color-scheme" content="light dark">'
    wrapper = page.with_name("wrapper.html")
    wrapper.write_text(f'<meta charset="utf-8">{scheme}<body>{frames}<pre id="seen"></pre><script>{PROBE}</script>')
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--allow-file-access-from-files"]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=20000", *options, "--dump-dom", f"file://{wrapper}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search('<pre id="seen">(.+?)</pre>', done.stdout)
    assert found, done.stderr
    return json.loads(base64.b64decode(found[1])) | {"console": [line for line in done.stderr.splitlines() if "CONSOLE" in line]}


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    page = tmp_path_factory.mktemp("browser") / "report.html"
    render(sample(), page)
    return browse(page, VIEWS)


@needs_browser
def test_no_view_complains_or_overflows(seen):
    assert seen["console"] == []
    assert {name: seen[name]["overflow"] for name in VIEWS} == dict.fromkeys(VIEWS, 0)


@needs_browser
def test_each_row_is_one_point(seen):
    rows = sample()["rows"]
    assert seen["plain"]["points"] == len(seen["plain"]["rows"]) == len(rows)
    assert seen["filtered"]["points"] == len(seen["filtered"]["rows"]) > 0
    assert sorted(seen["plain"]["front"]) == sorted(row["latency_ms_p50"] for row in rows if row["on_front"])
    assert {"teacher+int8", "99 % of baseline", "99.9 % of baseline"} <= set(seen["plain"]["names"])


@needs_browser
def test_sorting_sorts(seen):
    rows = sample()["rows"]
    ordered = {key: sorted(range(len(rows)), key=lambda number, key=key: -rows[number][key]) for key in ("speedup", "score")}
    assert seen["sorted"]["rows"] == ordered["speedup"]
    assert seen["sorted"]["sorted"] == [["speedup", "descending"]]
    once, twice = seen["pressed"]["once"], seen["pressed"]["twice"]
    assert [rows[number]["score"] for number in once["rows"]] == [rows[number]["score"] for number in ordered["score"]]
    assert once["address"] == "#sort=-score"
    assert [rows[number]["score"] for number in twice["rows"]] == sorted(row["score"] for row in rows)
    assert twice["sorted"] == [["score", "ascending"]]


@needs_browser
def test_filtering_filters(seen):
    rows = sample()["rows"]
    kept = [row for row in rows if row["device"] == "cpu-onnxruntime" and "even3" in row["variant"] and row["score"] >= 0.861 - 0.015]
    assert [rows[number] for number in seen["filtered"]["rows"]] == kept
    assert seen["filtered"]["count"] == f"{len(kept)} of {len(rows)} rows"
    typed = seen["pressed"]["typed"]
    assert [rows[number] for number in sorted(typed["rows"])] == [row for row in rows if "magnitude" in row["variant"]]
    assert typed["points"] == len(typed["rows"])
    assert typed["verdicts"] == 1
    assert seen["pressed"]["reset"]["rows"] == list(range(len(rows)))


@needs_browser
def test_views_open_columns_and_verdicts_and_bear_what_is_unknown(seen):
    at_first = ["variant", "device"] + [column["key"] for column in sample()["columns"] if column["shown"]]
    assert seen["plain"]["heads"] == at_first
    assert set(seen["phone"]["heads"]) - set(at_first) == {"latency_ms_p99", "throughput_per_s", "training_seconds", "precision"}
    assert seen["phone"]["verdicts"] == len(sample()["rows"])
    assert seen["unknown"]["rows"] == seen["plain"]["rows"]


@needs_browser
def test_plots_offer_no_upload(seen):
    assert not [title for title in seen["plain"]["buttons"] if re.search("share|cloud|edit", title, re.IGNORECASE)]
    assert seen["plain"]["curves"] == 6 * len(sample()["curves"]) - 2 * 3  # the teacher, of three seeds, has no parts of its loss


@needs_browser
def test_dark_plots_have_light_ink_and_200_evil_rows_work(tmp_path):
    data = sample()
    data["rows"] = [row | {"variant": f"{row['variant']}+<b>{number}</b></script>"} for number, row in enumerate((data["rows"] * 14)[:200])]
    data |= {"slices": [], "grid": [], "curves": []}
    render(data, tmp_path / "report.html")
    shown = browse(tmp_path / "report.html", {"plain": ("", 390)}, "--blink-settings=preferredColorScheme=0")
    assert shown["console"] == []
    assert shown["plain"]["points"] == 200
    assert shown["plain"]["overflow"] == 0
    assert shown["plain"]["ink"] == "rgb(230, 234, 238)"
    assert shown["pressed"]["printed"]["ink"] == "rgb(27, 32, 38)", "paper is white"
    assert shown["plain"]["closed"] > shown["pressed"]["printed"]["closed"] == 0
