"""The report is one file that loads nothing, shows what it was given, and works in a real browser at the width of a phone."""

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from encoder_compression.reporting.html_report import figure, interval, render
from page_data import DEVICES, sample

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


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


def test_findings_stand_in_the_page_in_words_and_with_their_codes_as_data(tmp_path):
    data = sample()
    data["answers"][0]["caution"] = caution = {"kinds": ["baseline_suspect"], "text": "Mind the labels.", "facts": {}}
    page, answer = write(data, tmp_path), data["answers"][0]
    embedded, shown = json.loads(Reader(page).scripts[0]), page.partition("<script")[0].replace("<wbr>", "")
    assert [embedded[name] for name in ("warnings", "answers", "comparisons")] == [data["warnings"], data["answers"], data["comparisons"]]
    findings = [*data["warnings"], *data["comparisons"][0], caution, answer["smallest"], answer["fastest"]]
    assert [finding["text"] for finding in findings if finding["text"] not in shown] == []


def test_what_was_not_measured_is_a_dash_that_says_why(text):
    absent = [row for row in sample()["rows"] if row["memory_run_mb"] is None]
    assert text.count('title="run memory was not measured for this row"') == len(absent) > 0


def test_states_are_words(text):
    rows = sample()["rows"]
    states = [("can_win", False, ">✗ beyond the budget<"), ("noisy", True, ">⚠ noisy<"), ("is_baseline", True, ">baseline<")]
    for key, value, words in states:
        assert text.split("<script")[0].count(words) == sum(row[key] is value for row in rows) > 0


def test_a_row_that_cannot_win_is_marked_with_the_reason(tmp_path):
    data = sample()
    data["rows"][0] |= {"can_win": False, "excluded": "one answer only", "why_excluded": "it predicts the same"}
    page = write(data, tmp_path)
    assert '<tbody data-row="0" class="fails">' in page
    first = page[page.index('<tbody data-row="0"') : page.index('<tbody data-row="1"')]
    assert 'title="cannot win: it predicts the same">✗ one answer only<' in first


def test_figures_in_each_format():
    shown = [(0.8614, "percent", 1), (1.854, "ratio", 2), (22.7e6, "millions", 1), (12345.6, "count", 0), (0.0004, "p", 2), (0.614, "p", 2)]
    assert [figure(*case) for case in shown] == ["86.1%", "1.85×", "22.7", "12,346", "<0.001", "0.61"]
    column = {"low": "low", "high": "high", "format": "number", "digits": 1}
    assert interval({"low": -0.6, "high": 2.8}, column) == "-0.6 to 2.8"
    assert interval({"low": None, "high": 2.8}, column) == ""


def test_empty_parts_are_left_out_and_nan_is_refused(tmp_path):
    data = (
        sample()
        | dict.fromkeys(("warnings", "answers", "comparisons", "profiles", "data", "slices", "grid", "curves", "proofs", "provenance"), [])
        | {"gate": None, "processes": {"heads": [], "rows": []}, "release_gate": {"heads": [], "rows": []}}
    )
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
    curves_height: page.querySelector("#curves")?.clientHeight,
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
    wrapper.write_text(f'<meta charset="utf-8">{scheme}<body>{frames}<pre id="seen"></pre><script>{PROBE}</script>', encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--allow-file-access-from-files"]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=20000", *options, "--dump-dom", f"file://{wrapper}"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
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


@needs_browser
def test_curves_are_one_figure_of_three_panels_that_is_not_high(seen):
    for view in ("plain", "phone"):
        assert seen[view]["curves"] == 3 * len(sample()["curves"])
    assert seen["plain"]["curves_height"] < 400
    assert seen["phone"]["curves_height"] < 900


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


@needs_browser
def test_a_baseline_without_a_score_above_0_has_no_lines_of_what_is_retained(tmp_path):
    data = sample() | {"baseline_score": dict.fromkeys(DEVICES, 0.0)}
    data["rows"] = [row | {"score": 0.0, "retained": None, "can_win": False, "on_front": False} for row in data["rows"]]
    render(data, tmp_path / "report.html")
    shown = browse(tmp_path / "report.html", {"plain": ("", 1280)})
    assert shown["console"] == []
    assert shown["plain"]["points"] == len(data["rows"])
    assert not [name for name in shown["plain"]["names"] if "of baseline" in name]
