"""How many times as long a partner takes as a row, from rounds in which both took turns on the same examples."""

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes a second to import

from encoder_compression.statistics import ALPHA

PARTNER = "partner_"
NOISY_SHARE = 0.10  # of the machine's processor time, taken by others during a measurement
NOISY_GAP = 0.05  # between a speed-up by the wall clock and by the processor's


def is_of_one_thread(device: dict) -> bool:
    """Say whether the processor's clock tells the time of a call on the device."""
    return device["hardware"] == "cpu" and device["threads"] == 1


def clock_of(device: dict) -> str:
    """Return which times of a call make ratios: of one thread of a CPU the processor's, which do not run on while another program runs."""
    return "processor_ms" if is_of_one_thread(device) else "latencies_ms"


def has_partner(timed: dict) -> bool:
    """Say whether the row of a round was timed in turns with another."""
    return timed[f"{PARTNER}latencies_ms"] is not None


def log_ratios(timed: dict, clock: str) -> np.ndarray:
    """Return log(partner's time / this row's time) of each call of a round, on the same examples."""
    return np.log(np.array(timed[PARTNER + clock]) / np.array(timed[clock]))


def half_width(rounds: list[dict], clock: str) -> float:
    """Return the 95 % half width of the ratio of one start, as a share of it: Student's t over the medians of its rounds."""
    medians = [np.median(log_ratios(timed, clock)) for timed in rounds]
    quantile = stdtrit(len(medians) - 1, 1 - ALPHA / 2)
    return float(np.expm1(quantile * np.std(medians, ddof=1) / np.sqrt(len(medians))))
