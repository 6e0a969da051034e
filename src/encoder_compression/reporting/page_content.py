"""What the page of a report is given: plain values, as JSON knows them. Shares lie between 0 and 1; None was not measured."""

from typing import Any, Literal, TypedDict


class PlainFinding(TypedDict):
    """A `findings.Finding`, as its `as_json` gives it."""

    kinds: list[str]
    text: str
    facts: dict[str, Any]


class Answer(TypedDict):
    """What a device is answered with: its smallest and its fastest variant, or why there is none."""

    device: str
    smallest: PlainFinding
    fastest: PlainFinding
    caution: PlainFinding | None


class Split(TypedDict):
    """How many rows of the data set a split has, and in words which were left out and why."""

    split: str
    rows: int
    left_out: str


class Column(TypedDict):
    """A column of the table of variants: a key of its rows, with those of its interval, and how the figure is shown."""

    key: str
    label: str
    group: str
    format: Literal["percent", "ratio", "number", "count", "ms", "mb", "seconds", "millions", "p", "text"]
    digits: int
    better: Literal["high", "low", "none"]
    shown: bool  # without asking for more columns
    low: str | None
    high: str | None
    help: str


class Row(TypedDict):
    """A variant on a device, over all seeds; beside these keys a figure for each column's "key", "low" and "high"."""

    variant: str
    device: str
    score: float
    difference: float | None  # of the score from the baseline's
    is_baseline: bool
    is_control: bool
    can_win: bool
    excluded: str
    why_excluded: str
    on_front: bool
    noisy: bool
    verdict: str


class Gate(TypedDict):
    """The share of the baseline's score that a row must retain."""

    retained: float


class Slice(TypedDict):
    """The score of a row on a part of the test split, with its 95 % interval."""

    variant: str
    device: str
    kind: str
    slice: str
    examples: int
    score: float
    score_ci_low: float
    score_ci_high: float


class Cell(TypedDict):
    """The latency of a row at a fixed batch size and length in tokens, and its speedup with the range of the rounds."""

    variant: str
    device: str
    batch_size: int
    length: int
    latency_ms: float
    speedup: float
    speedup_low: float
    speedup_high: float


class Curve(TypedDict):
    """A training: what was logged at each of its steps, "epoch" and "step" among it."""

    variant: str
    seed: str
    points: list[dict[str, float | None]]


class TextTable(TypedDict):
    """A table whose cells are texts already."""

    heads: list[str]
    rows: list[list[str]]


class Proof(TypedDict):
    """What ran where when a row was measured."""

    variant: str
    device: str
    ran_on: str
    threads: int
    affinity: str
    library: str
    operators: str
    dtypes: str


class Part(TypedDict):
    """What operators of a kind take of a call."""

    kind: str
    milliseconds: float
    share: float
    color: str


class Bar(TypedDict):
    """Where the milliseconds of a call of a variant on a device go."""

    variant: str
    device: str
    tokens: int
    milliseconds: float
    noisy: bool
    parts: list[Part]
    finding: PlainFinding


class Origin(TypedDict):
    """Where an artifact comes from."""

    variant: str
    seed: str
    artifact: str
    commit: str
    modified: bool
    seconds: float
    inputs: str
    options: str


class Conclusions(TypedDict):
    """What is said of all rows; ``comparisons`` has the findings of each pair, ``profiles`` those of profiled calls."""

    machine: str
    warnings: list[PlainFinding]
    answers: list[Answer]
    comparisons: list[list[PlainFinding]]
    profiles: list[Bar]


class Collected(TypedDict):
    """What `report_data.collect` takes from the tables and artifacts; ``baseline_score`` is by device, ``method`` has (what, how)."""

    experiment: str
    metric: str
    unit: str
    right: str
    seeds: list[int]
    test_examples: int
    revisions: list[str]
    gate: Gate | None
    budget_points: float
    columns: list[Column]
    rows: list[Row]
    baseline_score: dict[str, float]
    slices: list[Slice]
    grid: list[Cell]
    curves: list[Curve]
    proofs: list[Proof]
    provenance: list[Origin]
    method: list[list[str]]


class PageContent(Collected, Conclusions):
    """All that `html_report.render` shows; ``processes`` is a training in one process and in several, ``release_gate`` rows × clauses."""

    data: list[Split]
    processes: TextTable
    release_gate: TextTable
