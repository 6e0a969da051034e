"""Energy that the machine's own counters report: RAPL for processors, NVML for NVIDIA cards."""

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class EnergyCounter:
    """Joules of all processor packages and cards since it was made; no counter, no figure."""

    def __init__(self, powercap: Path = POWERCAP):
        # package domains are intel-rapl:0, :1, …; their parts (intel-rapl:0:0) are in them already; AMD uses the same names
        self.domains = [folder for folder in sorted(powercap.glob("intel-rapl:*")) if folder.name.count(":") == 1]
        self.start = [_read_joules(folder) for folder in self.domains]
        self.cards = _cards()
        self.start_cards = [joules() for joules in self.cards]

    def joules(self) -> float | None:
        """Return the energy used since the start by the whole machine, idle share included; None where nothing counts it."""
        joules_by_source = [_difference(folder, start) for folder, start in zip(self.domains, self.start, strict=True) if start is not None]
        joules_by_source += [joules() - start for joules, start in zip(self.cards, self.start_cards, strict=True)]
        return sum(joules_by_source) if joules_by_source else None


def _read_joules(folder: Path) -> float | None:
    try:
        return int((folder / "energy_uj").read_text(encoding="utf-8")) / 1e6
    except OSError:  # only root may read it on most systems
        return None


def _difference(folder: Path, start: float) -> float:
    """Return the energy since ``start``; the counter begins again at its maximum."""
    difference = _read_joules(folder) - start
    return difference if difference >= 0 else difference + int((folder / "max_energy_range_uj").read_text(encoding="utf-8")) / 1e6


def _cards() -> list:
    """Return a function per NVIDIA card that reads its joules, where NVML's Python binding is installed."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # no binding, no driver, no card: NVML tells by many error types
        return []
    return [lambda handle=handle: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000 for handle in handles]
