"""What a reader should know before trusting a table."""

import pandas as pd

from encoder_compression.reporting.summary import Table

FEW_EXAMPLES = 200


def warnings(table: Table, aggregate: pd.DataFrame) -> list[str]:
    """Return sentences about revisions, disturbed rows, a small test split, and how close rows may be ranked."""
    found = [_revisions(table), _disturbed(aggregate), _few_examples(table), *_ranking(table, aggregate)]
    return [sentence for sentence in found if sentence]


def _revisions(table: Table) -> str | None:
    modified = "Some rows were measured with uncommitted changes." if table.by_seed["modified"].any() else None
    if len(table.revisions) == 1:
        return modified
    several = f"Models and measurements come from different git revisions ({', '.join(table.revisions)}): rows may not be comparable."
    return f"{several} {modified}" if modified else several


def _disturbed(aggregate: pd.DataFrame) -> str | None:
    noisy = aggregate[aggregate["noisy"]]
    if noisy.empty:
        return None
    share = noisy["foreign_cpu_share"].max()
    rows = "1 row (marked ~) was" if len(noisy) == 1 else f"{len(noisy)} rows (marked ~) were"
    return f"Other programs took up to {share:.0%} of the processors while {rows} measured: do not rely on the times."


def _few_examples(table: Table) -> str | None:
    examples = len(next(iter(table.found.values())).labels)
    return f"The test split has {examples} examples: too few to tell variants apart." if examples < FEW_EXAMPLES else None


def _ranking(table: Table, aggregate: pd.DataFrame) -> list[str]:
    """Say per device how much a ratio differs between two starts, and which rows that leaves unranked."""
    compared = aggregate[~aggregate["is_baseline"]]
    return [
        f"{device}: the ratio of the same two programs differs by {table.speed.spread(device):.1%} from start to start (standard "
        f"deviation): too noisy to rank rows closer than {_resolution(rows):.0%}."
        for device, rows in compared.groupby("device", sort=False)
    ]


def _resolution(rows: pd.DataFrame) -> float:
    """Return the median half width of the intervals of the speed-ups, as a share."""
    return float(((rows["speedup_ci_high"] / rows["speedup_ci_low"]) ** 0.5 - 1).median())
