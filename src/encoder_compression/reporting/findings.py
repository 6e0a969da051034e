"""What the report finds, as codes that programs ask for beside the sentences that people read."""

from collections.abc import Iterable
from dataclasses import dataclass, field

OF_ROWS = {  # of a row against the baseline; of a pair the first variant against the other one
    "baseline": "the row that all others are compared with",
    "gain": "the score is higher: the interval of the change lies above 0, and p < 0.05",
    "drop": "the score is lower: the interval of the change lies below 0, and p < 0.05",
    "not_significant": "the interval of the change holds 0, and p ≥ 0.05",
    "same_predictions": "every prediction is the baseline's",
    "against_control_gain": "`gain`, over the control",
    "against_control_drop": "`drop`, from the control",
    "against_control_not_significant": "`not_significant`, against the control",
    "cannot_win": "excluded from the answer and the Pareto front, for the reasons whose codes follow",
    "one_answer": "the same prediction for every example, with one seed or more",
    "no_better_than_constant": "the score is no better than that of the best constant prediction",
    "beyond_budget": "the score drops by more than `budget.points`, or than `quality_gate` leaves",
    "kept": "the budget is kept: the one-sided 95 % bound of the drop is within it",
    "exceeded": "the budget is exceeded: the opposite bound is beyond it",
    "open": "the test split cannot tell whether the budget is kept",
    "faster": "a speed-up: p < 0.05 after Holm and above 3 %; of a pair, intervals that do not meet",
    "slower": "the same for a slow-down",
    "speed_not_significant": "the difference in speed is not significant; of a pair, the intervals meet",
    "speed_negligible": "the difference in speed is significant, but at most 3 %",
    "by_compression": "the speed is compared with the baseline in the same runtime",
    "by_runtime": "the speed is that of the baseline variant in another runtime",
    "timed_as": "its times and memory are those of another row with the same graph, shapes and number formats",
    "runtime_factor": "what the runtime alone brings, beside what compression does",
    "sparse": "at least 10 % of the weights of the layers are 0",
    "zeros_save_no_time": "nothing but these zeros could have saved time, and none is saved",
    "integer_matmuls": "matrix products that run in INT8",
    "batches_change": "batches change predictions, so the score at the best throughput is another one",
    "dominated": "another row of the device is no worse in score, time and size, and better in time or size",
    "noisy": "other programs disturbed the row: both clocks differ by more than 5 %, or they took more than 10 % of the processors",
    "training_costs": "what both variants of a pair cost to train",
}
OF_ANSWERS = {  # `same_predictions`, `kept` and `open` stand here too
    "variant_wins": "a variant is the smallest or the fastest",
    "baseline_wins": "nothing is smaller, or significantly faster, than the baseline",
    "no_winner": "no row can win, for the reason whose code follows",
    "open_rival": "a variant that leaves the budget open would win if it were kept",
    "tied": "sizes or speeds of other rows do not differ beyond noise; the best score wins",
    "all_of_one_answer": "every row is `one_answer`",
    "none_better_than_constant": "every row is `no_better_than_constant`",
    "none_within_limits": "no row that has learnt something is within the budget",
    "baseline_no_better_than_constant": "there is nothing to compare with",
}
OF_WARNINGS = {
    "baseline_suspect": "the baseline scores below a constant prediction: labels or answers may be wrong",
    "baseline_not_learnt": "the baseline is no better than a constant prediction",
    "revisions_differ": "models and measurements come from several git revisions",
    "uncommitted_changes": "some were made with uncommitted changes",
    "data_set": "what the preparation of the data set warned of",
    "texts_cut": "texts were longer than `dataset.max_length`",
    "rows_of_one_answer": "how many rows are `one_answer`",
    "noisy_rows": "how many rows are `noisy`",
    "short_timings": "rows whose timed calls took too little time to notice other programs",
    "few_examples": "the test split is too small to tell variants apart",
    "few_groups": "the questions of the test split are on few articles",
    "kernel_mismatch": "a graph was quantized for another instruction set than that of the machine that measured it",
    "searched_options": "options of a step were chosen by a search, on validation or on folds of train and validation",
    "starts_elsewhere": "a step starts from a model of another experiment",
    "taught_elsewhere": "a step learns from a model of another experiment, or from probabilities in files",
    "ranking_limit": "how close two rows of a device may be and still be ranked",
    "encoder_settings": "settings of the encoder's files were set to their defaults",
}
OF_PROFILES = {
    "where_time_goes": "the share of a call's time that matmul and attention take, and the largest of the other kinds",
}
KINDS = OF_ROWS | OF_ANSWERS | OF_WARNINGS | OF_PROFILES


@dataclass(frozen=True)
class Finding:
    """A sentence with its code ``kind``, and the codes of what the sentence says ``also``; all are keys of `KINDS`.

    ``facts`` are plain values, as JSON knows them, that stand in the sentence and in no table. Two findings are equal where a reader
    sees no difference, whatever the facts. Raises ValueError for a code that is not listed.
    """

    kind: str
    text: str
    also: tuple[str, ...] = ()
    facts: dict = field(default_factory=dict, compare=False)

    def __post_init__(self):
        unlisted = [code for code in self.kinds if code not in KINDS]
        if unlisted:
            raise ValueError(f"code '{unlisted[0]}' is not listed in reporting/findings.py; add it there with its meaning")

    @property
    def kinds(self) -> tuple[str, ...]:
        """All codes of the sentence, the main one first."""
        return (self.kind, *self.also)

    def as_json(self) -> dict:
        """Return {"kinds", "text", "facts"} of plain values."""
        return {"kinds": list(self.kinds), "text": self.text, "facts": self.facts}


def sentences(findings: Iterable[Finding]) -> str:
    """Return the sentences in a row."""
    return " ".join(finding.text for finding in findings)


def kinds(findings: Iterable[Finding]) -> str:
    """Return all codes, with blanks between them, as a cell of a table: ``drop faster by_compression``."""
    return " ".join(code for finding in findings for code in finding.kinds)


def columns(verdicts: list[list[Finding]]) -> dict[str, list[str]]:
    """Return what rows show as columns of their table: "verdict", the sentences, and "verdict_kinds", the codes."""
    return {"verdict": [sentences(row) for row in verdicts], "verdict_kinds": [kinds(row) for row in verdicts]}


def as_json(content):
    """Return lists and dicts of findings with each finding as a dict of plain values."""
    if isinstance(content, Finding):
        return content.as_json()
    if isinstance(content, dict):
        return {key: as_json(value) for key, value in content.items()}
    return [as_json(item) for item in content] if isinstance(content, list) else content
