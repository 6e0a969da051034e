"""What the delivery of an experiment with a contract reads, and which options it takes."""

from pathlib import Path

from encoder_compression.study.chain import Chain

SECTIONS = ("task", "metric", "baseline")
OF_DATASET = ("columns", "threshold", "label_map")  # what says how new examples are read


def rows(study) -> list[dict]:
    """Return the rows that may be delivered, those on the contract's device less controls: names, artifact, results and data set."""
    device = study.options["contract"]["device"]
    measured = [(variant, seed) for variant, seed, where in study.rows() if where == device and not Chain(variant).has_control]
    return [
        {
            "variant": variant,
            "seed": seed,
            "artifact": study.folder(variant, seed, study.form(device)),
            "results": study.folder(variant, seed, device),
            "dataset": study.dataset(variant, seed),
        }
        for variant, seed in measured
    ]


def options(study) -> dict:
    """Return what a delivery must know of the experiment: task, metric, baseline, the device, the rows, how many requests to time."""
    device = study.options["contract"]["device"]
    named = {name: study.options[name] for name in SECTIONS}
    dataset = {name: study.options["dataset"][name] for name in OF_DATASET if name in study.options["dataset"]}
    described = {"name": device, "options": study.options["devices"][device]}
    return named | {"device": described, "dataset": dataset, "calls": study.options["measure"]["calls"], "rows": rows(study)}


def reads(study) -> list[str]:
    """Return the files and folders of the rows that may be delivered."""
    paths = [path for row in rows(study) for path in (row["artifact"], f"{row['results']}/measurement.json", row["dataset"])]
    return sorted(set(paths))


def screening(study) -> str | list:
    """Return the table of what was screened, where there is one."""
    path = f"results/{study.name}/screening.csv"
    return path if Path(path).exists() else []
