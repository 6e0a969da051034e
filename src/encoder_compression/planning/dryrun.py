"""The jobs of a dry run, as Snakemake sees them."""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from snakemake.cli import args_to_api, parse_args
from snakemake_interface_logger_plugins.common import LogEvent


@dataclass(frozen=True)
class Job:
    """A job that would run: rule, experiment (None where it is for all), outputs, threads, resources, whether in a group."""

    rule: str
    experiment: str | None
    outputs: list[Path]
    threads: int
    resources: dict
    grouped: bool


class _Listener(logging.Filter):
    """Collects what is said about jobs and lets only errors through."""

    def __init__(self):
        super().__init__()
        self.jobs: list[Job] = []
        self.groups = 0

    def filter(self, record: logging.LogRecord) -> bool:
        event = getattr(record, "event", None)
        if event == LogEvent.GROUP_INFO:
            self.groups += 1
        elif event == LogEvent.JOB_INFO and record.output:
            self.jobs.append(_job(record))
        return record.levelno >= logging.ERROR


def _job(record: logging.LogRecord) -> Job:
    return Job(
        rule=record.rule_name,
        experiment=(record.wildcards or {}).get("experiment"),
        outputs=[Path(path) for path in record.output],
        threads=record.threads,
        resources={name: value for name, value in record.resources.items() if isinstance(value, int | str)},
        grouped=record.indent,
    )


def list_jobs(arguments: list[str]) -> tuple[list[Job], int]:
    """Return the jobs that ``snakemake`` with these arguments would run, and how many groups some of them form.

    Exits where the arguments or the configuration are wrong, with Snakemake's own words.
    """
    listener = _Listener()
    logger = logging.getLogger("snakemake.logging")
    logger.addFilter(listener)
    try:
        parser, parsed = parse_args(["--dry-run", *arguments])
        if not args_to_api(parsed, parser):
            sys.exit(1)
    finally:
        logger.removeFilter(listener)
    return listener.jobs, listener.groups
