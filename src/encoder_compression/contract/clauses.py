"""What a contract asks for, and which of the screened chains answer it: fastest first, by validation alone."""

from dataclasses import dataclass

from scipy import stats

from encoder_compression.statistics.intervals import ALPHA
from encoder_compression.study.chain import Chain

MARGIN = 0.95  # of a limit that a cost must stay below to be safe: another start of the program may take a little longer


@dataclass(frozen=True)
class Screened:
    """What screening told of a chain: its score on validation, its change with the one-sided 95 % bound, shares of 1; its costs."""

    chain: Chain
    score: float
    change: float
    change_above: float
    latency_ms: float
    size_mb: float
    memory_mb: float

    @property
    def cautious_change(self) -> float:
        """The change less its standard error: the best of many is partly lucky (the one-standard-error rule; Breiman et al. 1984)."""
        return self.change - (self.change - self.change_above) / float(stats.norm.ppf(1 - ALPHA))


@dataclass(frozen=True)
class Clauses:
    """The largest loss in points, and the largest costs; None where a cost may be any."""

    points: float
    latency_ms: float | None = None
    size_mb: float | None = None
    memory_mb: float | None = None

    @property
    def costs(self) -> dict[str, float]:
        """The limits of costs that there are."""
        limits = {name: getattr(self, name) for name in ("latency_ms", "size_mb", "memory_mb")}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def affords(self, screened: Screened, margin: float = 1.0) -> bool:
        """Say whether all costs are within their limits, times ``margin``."""
        return all(getattr(screened, name) <= margin * limit for name, limit in self.costs.items())

    def keeps(self, screened: Screened) -> bool:
        """Say whether a chain affords all costs and loses, with a standard error added, no more than it may."""
        return self.affords(screened) and -100 * screened.cautious_change <= self.points

    def surely_keeps(self, screened: Screened) -> bool:
        """Say the same with a margin: of costs, and by the one-sided 95 % bound of the loss."""
        return self.affords(screened, MARGIN) and -100 * screened.change_above <= self.points

    def excess(self, screened: Screened) -> float:
        """Return how far a chain is beyond the limit that it misses most, as a share of that limit; of a loss in points beyond."""
        costs = [getattr(screened, name) / limit - 1 for name, limit in self.costs.items()]
        return max([*costs, -100 * screened.cautious_change - self.points])


def finalists(screened: list[Screened], clauses: Clauses) -> list[Screened]:
    """Return the two chains that are measured on test: the fastest that keeps the contract, and the fastest that surely does.

    Where these are one, or none surely does, the second is the next fastest that keeps it; where too few keep it, the nearest misses.
    """
    by_speed = sorted(screened, key=lambda each: each.latency_ms)
    kept = [each for each in by_speed if clauses.keeps(each)]
    sure = [each for each in kept if clauses.surely_keeps(each)]
    nearest = sorted(screened, key=clauses.excess)
    return list(dict.fromkeys([*kept[:1], *sure[:1], *kept, *nearest]))[:2]


def worth_training(shapes: dict[Chain, Screened], screened: list[Screened], clauses: Clauses) -> list[Chain]:
    """Return the chains whose ``shapes`` afford the costs and are faster than the fastest chain that keeps the contract already."""
    fastest = min((each.latency_ms for each in screened if clauses.keeps(each)), default=float("inf"))
    return [chain for chain, shape in shapes.items() if clauses.affords(shape) and shape.latency_ms < fastest]


def better_half(short: dict[Chain, Screened], clauses: Clauses) -> list[Chain]:
    """Return which students go on after one epoch, the best first: those that lose no more than they may, and the better half.

    Successive halving (Jamieson & Talwalkar 2016).
    """
    ordered = sorted(short, key=lambda chain: -short[chain].change)
    half = (len(ordered) + 1) // 2
    return [chain for place, chain in enumerate(ordered) if place < half or -100 * short[chain].change <= clauses.points]
