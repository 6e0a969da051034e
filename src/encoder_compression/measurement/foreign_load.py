"""How busy others keep the machine while something is measured."""

import time

import psutil

from encoder_compression.measurement.remote import RemoteWorker


class ForeignLoad:
    """The processor time that processes other than this one and its workers take, from now on."""

    def __init__(self, workers: list[RemoteWorker]):
        self.processes = [psutil.Process(), *(psutil.Process(worker.process.pid) for worker in workers)]
        self.start = self._snapshot()

    def _snapshot(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0)
        of_workers = sum(sum(process.cpu_times()[:2]) for process in self.processes)
        return busy, of_workers, time.monotonic()

    def share(self) -> float:
        """Return the busy time of other processes since the start, as a share of all processors' time."""
        (busy, of_workers, now), (busy_then, own_then, then) = self._snapshot(), self.start
        foreign = (busy - busy_then) - (of_workers - own_then)
        share = foreign / ((now - then) * psutil.cpu_count())
        return round(min(max(share, 0.0), 1.0), 4)
