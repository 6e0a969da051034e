"""Whether a score stays within a budget of loss: one-sided tests, and what would settle those that leave it open."""

import math
from dataclasses import dataclass

from scipy import stats

from encoder_compression.statistics.differences import Mean
from encoder_compression.statistics.intervals import ALPHA

ROUNDING = 1e-9  # differences of scores are not exact
TOO_MANY = 50  # times as many examples or seeds are no advice
KEPT, EXCEEDED, OPEN = "kept", "exceeded", "open"


@dataclass(frozen=True)
class Decision:
    """What is known of a drop against the ``allowed`` one, both shares of 1.

    ``low`` and ``high`` are one-sided 95 % bounds of the change: it is above ``low``, and below ``high``, with 95 % confidence each.
    ``verdict`` is "kept" where even ``low`` is within the budget (Piaggio et al. 2012, *Reporting of noninferiority and equivalence
    randomized trials*), "exceeded" where even ``high`` is beyond it, else "open".
    """

    allowed: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Say what the bounds decide."""
        if self.low >= -self.allowed - ROUNDING:
            return KEPT
        return EXCEEDED if self.high < -self.allowed - ROUNDING else OPEN


def decide(change: Mean, allowed: float) -> Decision:
    """Return what is known of a change of the score, a share of 1, against the drop that is allowed."""
    return Decision(allowed, *change.interval(2 * ALPHA))


def against(limit: dict[str, float], low: float | None, high: float | None) -> str:
    """Say what one-sided 95 % bounds decide of a limit, {"at_least": …} or {"at_most": …}; "open" where there are none."""
    if low is None or high is None:
        return OPEN
    return Decision(-limit["at_least"], low, high).verdict if "at_least" in limit else Decision(limit["at_most"], -high, -low).verdict


def settling(change: Mean, allowed: float) -> tuple[str, float] | None:
    """Return what would settle an open budget if the change stayed as it is: ("examples" or "seeds", how many times as many).

    Examples come first, as they cost no training. None where neither alone would: the change lies too near to the budget.
    """
    largest = (abs(change.mean + allowed) / stats.norm.ppf(1 - ALPHA)) ** 2
    examples, seeds = change.parts.examples, change.parts.seeds
    factors = {"examples": _factor(examples, largest - seeds), "seeds": _factor(seeds, largest - examples)}
    return next(((what, factor) for what, factor in factors.items() if factor <= TOO_MANY), None)


def _factor(variance: float, largest: float) -> float:
    """Return how many times as much must be sampled for a variance to shrink to the largest that may be left."""
    return variance / largest if largest > 0 else math.inf
