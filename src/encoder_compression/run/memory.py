"""Peak memory of this process, from the kernel's own account."""

from pathlib import Path

import psutil


def resident_mb() -> float:
    """Return the memory that the process holds now, in MB of 10⁶ bytes."""
    return psutil.Process().memory_info().rss / 1e6


def reset_peak() -> None:
    """Let the kernel forget the peak so far, so that an import's peak is not counted as the model's."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def peak_mb() -> float:
    """Return the peak since `reset_peak`, in MB of 10⁶ bytes."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if ":" in line)
    return int(fields["VmHWM"].split()[0]) * 1024 / 1e6
