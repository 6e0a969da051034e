"""One-sided bounds of shares of examples, such as recall or agreement, which near 0 and 1 no normal distribution gives."""

from functools import cached_property

from scipy import stats

from encoder_compression.statistics.differences import Mean, Sample
from encoder_compression.statistics.intervals import ALPHA


class Share(Sample):
    """A share of ``examples``; its variance over examples is at least the binomial one, also where all or none of them count."""

    @cached_property
    def of_examples(self) -> float:
        """The variance of the mean over other test splits of this size, with these seeds: more than binomial where examples are alike."""
        return max(float(self.replicates.mean(axis=0).var(ddof=1)), _spread(self.mean, self.examples) / self.examples)


def bounds(share: Mean, examples: int, alpha: float = ALPHA) -> tuple[float, float]:
    """Return what the true share is above and what it is below, each with probability 1 - ``alpha``; ``share`` is of a `Share`.

    Clopper and Pearson's (1934) bounds of as many independent examples as have the variance of ``share``, its degrees of freedom
    counted in (Korn and Graubard 1998, *Confidence intervals for proportions with small expected number of positive counts*). With one
    seed and independent examples these are nearly all ``examples``.
    """
    wider = stats.t.ppf(alpha, share.freedom) / stats.norm.ppf(alpha)
    effective = _spread(share.mean, examples) / share.variance / wider**2
    inside, outside = effective * share.mean, effective * (1 - share.mean)
    low = stats.beta.ppf(alpha, inside, outside + 1) if inside > 0 else 0.0
    high = stats.beta.ppf(1 - alpha, inside + 1, outside) if outside > 0 else 1.0
    return float(low), float(high)


def _spread(share: float, examples: int) -> float:
    """Return the variance of a single example, never 0: by Laplace's share, as if one more example counted and one more did not."""
    smoothed = (share * examples + 1) / (examples + 2)
    return smoothed * (1 - smoothed)
