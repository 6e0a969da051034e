"""A search trains what the sizes and speeds of untrained shapes promise, stops when the contract is surely kept, and keeps its time."""

import pandas as pd
import pytest

from encoder_compression.contract.candidates import Space
from encoder_compression.contract.clauses import Clauses, Screened
from encoder_compression.contract.clock import Clock
from encoder_compression.contract.screened import Results
from encoder_compression.contract.search import Search
from encoder_compression.errors import UserError
from encoder_compression.study.chain import Chain

SPACE = Space(6, 384, "onnxruntime", None, True, False, {"epochs": 3, "learning_rate": 1e-4})
LAYERS_MS = {"layers4": 3.0, "layers3": 2.0, "layers2": 1.0}
POINTS = {"layers4": -0.3, "layers3": -0.8, "layers2": -2.0, "width30": -0.4, "width50": -0.9, "narrower30": -0.1, "narrower50": -0.6}


class Known(Results):
    """Results whose every figure follows from the names of the steps; a chain is there once it was asked for."""

    def __init__(self, seconds_of_an_epoch: float = 30.0):
        super().__init__("mine", device="cpu-onnxruntime", baseline="cpu-pytorch")
        self.made: list[Chain] = []
        self.seconds_of_an_epoch = seconds_of_an_epoch

    def has(self, chain: Chain) -> bool:
        return chain in self.made

    def seconds(self, chain: Chain, part: str = "model") -> float:
        return 1.0 if "screening" in part else self.seconds_of_an_epoch

    def teacher_is_no_better_than_constant(self) -> bool:
        return False

    def _screened(self, chain: Chain) -> Screened:
        steps = {step.partition("_")[0] for step in chain.steps}
        ms = next((LAYERS_MS[step] for step in steps if step in LAYERS_MS), 5.0) * (0.6 if "50" in chain else 0.8 if "30" in chain else 1)
        points = sum(POINTS.get(step, 0) for step in steps) - 30 * ("_shape" in chain) - 2 * ("_short" in chain)
        return Screened(chain, 0.85 + points / 100, points / 100, points / 100 - 0.0015, ms, 5 * ms, 50.0)


class Study:
    """A search that is run, with what it asked for and what it said."""

    def __init__(self, clauses: Clauses, tmp_path, *, minutes=None, failing=(), seconds_of_an_epoch=30.0):
        self.results, self.asked, self.lines, self.failing = Known(seconds_of_an_epoch), [], [], failing
        self.clock = Clock(minutes, tmp_path / "search.json")
        self.search = Search(SPACE, clauses, self.results, self.clock, self._run, self.lines.append)

    def _run(self, targets, seconds, poll):
        chains = list(dict.fromkeys(Chain(target.split("/")[2]) for target in targets))
        self.asked.append(chains)
        self.results.made += [chain for chain in chains if chain not in self.failing]
        poll()
        return [f"Error: {chain} diverged" for chain in chains if chain in self.failing]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/mine").mkdir(parents=True)


def trained(study: Study) -> set[str]:
    return {chain for chains in study.asked for chain in chains if "layers" in chain and "_" not in chain}


def test_without_costs_the_search_goes_on_to_the_fastest_that_keeps_the_loss(tmp_path):
    study = Study(Clauses(points=1), tmp_path)
    first, second = study.search.finalists()
    assert first.chain == "teacher+layers3+narrower30+int8"  # 0.9 points; with half of the heads 1.4
    assert second.chain == "teacher+layers3+int8"  # the fastest whose bound is within 1 point: it loses 0.8, and 0.95 at most
    assert not {chain for chain in trained(study) if "layers2" in chain}  # the lesser half after an epoch
    assert study.search.is_complete


def test_a_contract_that_untrained_chains_keep_trains_nothing(tmp_path):
    study = Study(Clauses(points=1, latency_ms=4.5), tmp_path)
    first, _ = study.search.finalists()
    assert first.chain == "teacher+width50+int8"
    assert not any("layers" in chain for chains in study.asked for chain in chains)


def test_only_students_that_afford_the_costs_are_trained(tmp_path):
    study = Study(Clauses(points=1, latency_ms=1.5), tmp_path)
    first, _ = study.search.finalists()
    assert trained(study) == {"teacher+layers3+narrower50+int8"}  # of 2 layers no more than the scout: 1.2 ms of 3 layers are fine
    assert first.chain == "teacher+layers3+narrower50+int8"  # nothing keeps both clauses, and this misses by 0.4 points


def test_a_contract_that_nothing_affords_is_refused_with_the_least_that_there_is(tmp_path):
    study = Study(Clauses(points=1, latency_ms=0.01), tmp_path)
    with pytest.raises(UserError, match=r"no variant keeps all costs .*0.01 ms: the least is 0.6, of teacher\+layers2_shape\+narrower50"):
        study.search.finalists()
    assert not trained(study)


def test_a_contract_that_nothing_tried_in_time_affords_is_not_called_impossible(tmp_path):
    study = Study(Clauses(points=1, latency_ms=0.7), tmp_path, minutes=10)
    study.clock.left = lambda reserve=0.0: 0.0 if len(study.asked) >= 3 else 100.0  # it ends after the first of the chains without training
    first, _ = study.search.finalists()
    assert first.chain == "teacher+width50+int8"
    assert (
        study.lines[-1]
        == "9 variants not tried: the time that is left is for the last measurements; the same command with more --minutes tries them"
    )


def test_a_student_whose_training_takes_longer_than_what_is_left_is_not_begun(tmp_path):
    study = Study(Clauses(points=1), tmp_path, minutes=10, seconds_of_an_epoch=200)  # 6 epochs: 20 minutes
    first, _ = study.search.finalists()
    assert not trained(study)
    assert first.chain == "teacher+width50+int8"
    assert "layers4: not trained, as that takes about 20 minutes" in study.lines
    assert not study.search.is_complete


def test_chains_are_asked_for_a_few_at_once_only_where_time_is_short(tmp_path):
    shapes = [student.shape for student in SPACE.students()]
    timeless, timed = (Study(Clauses(points=1), tmp_path / name, minutes=minutes) for name, minutes in (("a", None), ("b", 600)))
    for study in (timeless, timed):
        study.search.finalists()
    assert shapes in timeless.asked  # so that a cluster can make them side by side
    assert [shapes[:3], shapes[3:6], shapes[6:]] == [chains for chains in timed.asked if set(chains) <= set(shapes)]


def test_a_chain_that_fails_is_told_and_the_search_goes_on_without_it(tmp_path):
    study = Study(Clauses(points=1, latency_ms=4.5), tmp_path, failing=["teacher+width50+int8"])
    first, _ = study.search.finalists()
    assert "Error: teacher+width50+int8 diverged" in study.lines
    assert first.chain == "teacher+width30+int8"


def test_the_teacher_is_no_finalist_as_it_is_measured_anyway(tmp_path):
    study = Study(Clauses(points=0.1), tmp_path, failing=["teacher+width30+int8", "teacher+width50+int8"], minutes=10)
    study.clock.left = lambda reserve=0.0: 0.0 if len(study.asked) >= 3 else 100.0
    assert [each.chain for each in study.search.finalists()] == ["teacher+int8"]


def test_without_a_teacher_there_is_no_search(tmp_path):
    with pytest.raises(UserError, match="^teacher diverged$"):
        Study(Clauses(points=1), tmp_path, failing=["teacher"]).search.finalists()


def test_what_was_tried_stands_in_a_table_with_the_predicted_latency_of_students(tmp_path):
    study = Study(Clauses(points=1), tmp_path)
    study.search.finalists()
    table = pd.read_csv(tmp_path / "results/mine/screening.csv").set_index("variant")
    assert list(table.index) == list(dict.fromkeys(chain for chains in study.asked for chain in chains))
    student = table.loc["teacher+layers3+narrower30+int8"]
    assert (student["latency_ms"], student["predicted_ms"]) == (1.6, 1.6)
    assert not table.loc["teacher+layers3_shape+narrower30_shape+int8", "trained"]
    assert student["change"] == pytest.approx(-0.009)


def test_the_time_of_a_run_that_was_ended_counts_in_the_next(tmp_path):
    clock = Clock(10, tmp_path / "search.json")
    clock.before = 240.0
    clock.save()
    later = Clock(10, tmp_path / "search.json")
    assert later.left() == pytest.approx(360, abs=1)
    assert later.left(reserve=400) == 0
    assert Clock(None, tmp_path / "search.json").left() is None
    later.restart()  # another experiment of that name
    assert later.left() == pytest.approx(600, abs=1)


def test_minutes_that_the_last_measurements_alone_exceed_are_told_once_the_teacher_is_known(tmp_path):
    study = Study(Clauses(points=1), tmp_path, minutes=0.251)  # 15 s, where five rows take 30
    study.search.finalists()
    assert not study.search.is_complete
    assert "--minutes is too short by about 0.2: the last measurements alone take 0.5 minutes" in study.lines
