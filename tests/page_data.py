"""The content of a page, as `page_content` describes it, with figures that a test may change."""

import json
import math
import random

CHAINS = {  # variant: (accuracy, p50 ms in PyTorch, size MB)
    "teacher": (0.861, 13.66, 90.9),
    "teacher+even3": (0.848, 7.17, 69.6),
    "teacher+even3-control": (0.841, 7.16, 69.6),
    "teacher+odd3": (0.847, 6.68, 69.6),
    "teacher+magnitude60": (0.857, 14.07, 90.9),
    "teacher+magnitude90": (0.759, 13.96, 90.9),
    "teacher+int8": (0.862, 5.3, 23.1),
    "teacher+even3+int8": (0.850, 2.6, 17.6),
    "teacher+even3+magnitude60+int8": (0.843, 2.55, 17.6),
}
DEVICES = {"cpu-onnxruntime": 1.85, "cpu-pytorch": 1.0}  # how much faster than PyTorch
COLUMNS = [  # key, label, group, format, digits, better, low and high, shown
    ("score", "accuracy", "quality", "percent", 1, "high", "score_ci", True),
    ("retained", "retained", "quality", "percent", 1, "high", None, True),
    ("agreement", "agreement", "quality", "percent", 1, "high", None, False),
    ("p_value", "p against baseline", "quality", "p", 2, "none", None, False),
    ("latency_ms_p50", "p50", "speed", "ms", 2, "low", "latency_ci", True),
    ("latency_ms_p99", "p99", "speed", "ms", 2, "low", None, False),
    ("speedup", "speed-up", "speed", "ratio", 2, "high", "speedup_ci", True),
    ("throughput_per_s", "sentences/s", "speed", "count", 0, "high", None, False),
    ("size_mb", "size MB", "memory and size", "mb", 1, "low", None, True),
    ("memory_run_mb", "run memory", "memory and size", "mb", 0, "low", None, True),
    ("parameters", "parameters", "memory and size", "millions", 1, "low", None, False),
    ("training_seconds", "training", "cost", "seconds", 0, "low", None, False),
    ("precision", "precision", "cost", "text", 0, "none", None, False),
]


def sample_column(key, label, group, kind, digits, better, bounds, shown) -> dict:
    ends = {side: bounds and f"{bounds}_{side}" for side in ("low", "high")}
    facts = {"key": key, "label": label, "group": group, "format": kind, "digits": digits, "better": better, "shown": shown}
    return facts | ends | {"help": f"How {label} is measured, in one sentence."}


def sample_row(variant: str, device: str) -> dict:
    score, latency, size = CHAINS[variant]
    latency, speedup = latency / DEVICES[device], 13.66 * DEVICES[device] / latency
    noise = random.Random(variant + device).uniform(0.02, 0.06)
    states = {
        "is_baseline": variant == "teacher" and device == "cpu-pytorch",
        "is_control": "control" in variant,
        "can_win": score >= 0.861 * 0.98,
        "excluded_kinds": "" if score >= 0.861 * 0.98 else "below_gate",
        "excluded": "" if score >= 0.861 * 0.98 else "beyond the budget",
        "why_excluded": "" if score >= 0.861 * 0.98 else f"it retains {score / 0.861:.2%}",
        "seeds_of_one_class": 0,
        "on_front": False,
        "noisy": variant == "teacher+odd3" and device == "cpu-pytorch",
    }
    verdict = f"Loses {(0.861 - score) * 100:.1f} points: not distinguishable.\nRuns {speedup:.2f}× as fast as the baseline."
    figures = {"score": score, "score_ci_low": score - 0.017, "score_ci_high": score + 0.017, "retained": score / 0.861, "agreement": 0.9}
    figures |= {"difference": score - 0.861}
    figures |= {"latency_ms_p50": latency, "latency_ci_low": latency * (1 - noise), "latency_ci_high": latency * (1 + noise)}
    figures |= {"speedup": speedup, "speedup_ci_low": speedup * (1 - noise), "speedup_ci_high": speedup * (1 + noise)}
    figures |= {"latency_ms_p99": latency * 2.4, "throughput_per_s": 2200 / latency, "size_mb": size, "p_value": 0.0004}
    figures |= {
        "precision": "fp32",
        "memory_run_mb": None if "odd3" in variant else size + 60,
        "parameters": 17_400_000,
        "training_seconds": 358.2,
    }
    verdicts = {"verdict": verdict, "verdict_kinds": "possible_drop faster"}
    return {"variant": variant, "device": device, "seeds": 3} | verdicts | states | figures


def mark_front(rows: list[dict]) -> None:
    for row in rows:
        cheaper = [other["score"] for other in rows if other["can_win"] and other["latency_ms_p50"] < row["latency_ms_p50"]]
        row["on_front"] = row["can_win"] and row["score"] > max(cheaper, default=0)


def sample_curve(variant: str, seed: int) -> dict:
    points = []
    for step in range(1, 41):
        loss = 0.7 * math.exp(-step / (8 + len(variant) / 3)) + 0.1 + random.Random(f"{variant}{seed}{step}").uniform(0, 0.03)
        soft = loss / 2 if "3" in variant else None
        score = CHAINS[variant][0] - 0.3 * math.exp(-step / (9 + seed)) if step % 10 == 0 else None
        losses = {"loss": loss, "loss_hard": soft, "loss_soft": soft, "loss_hidden": None}
        speed = {"learning_rate": 5e-5 * (1 - step / 41), "tokens_per_second": 9000 / CHAINS[variant][1] + 9 * seed}
        validated = {"eval_score": score, "eval_loss": score and 1.2 - score}
        points.append({"epoch": step / 10, "step": step * 30} | validated | losses | speed)
    return {"variant": variant, "seed": str(seed), "points": points}


def sample_slices(rows: list[dict]) -> list[dict]:
    parts = [("length", "1-16 tokens", 400), ("length", "17-32 tokens", 800), ("length", "33 or more", 400)]
    parts += [("label", "negative", 801), ("label", "positive", 799)]
    return [
        {"variant": row["variant"], "device": row["device"], "kind": kind, "slice": name, "examples": count, "score": row["score"] - 0.01}
        | {"score_ci_low": row["score"] - 0.04, "score_ci_high": row["score"] + 0.02}
        for row in rows
        for kind, name, count in parts
    ]


def sample_grid(rows: list[dict]) -> list[dict]:
    return [
        {"variant": row["variant"], "device": row["device"], "batch_size": batch, "length": length}
        | {"latency_ms": row["latency_ms_p50"] * batch * length / 32, "speedup": 2.1, "speedup_low": 2.0, "speedup_high": 2.2}
        for row in rows
        for batch in (1, 8)
        for length in (32, 128)
    ]


def sample_profiles(rows: list[dict]) -> list[dict]:
    shares = {"matmul": (0.62, "#0072b2"), "normalization": (0.11, "#009e73"), "runtime overhead": (0.27, "#c3cad1")}
    return [
        {"variant": row["variant"], "device": row["device"], "tokens": 26, "milliseconds": row["latency_ms_p50"], "noisy": False}
        | {"finding": sample_finding("where_time_goes", f"{row['variant']} on {row['device']}: 27% of a call's time is overhead.")}
        | {
            "parts": [
                {"kind": kind, "milliseconds": share * row["latency_ms_p50"], "share": share, "color": color}
                for kind, (share, color) in shares.items()
            ]
        }
        for row in rows
    ]


def sample_finding(kind: str, text: str) -> dict:
    return {"kinds": [kind], "text": text, "facts": {}}


def sample_records(rows: list[dict]) -> dict:
    ran = {"ran_on": "CPUExecutionProvider", "threads": 1, "affinity": "core 0", "library": "onnxruntime 1.31.1"}
    ran |= {"operators": "95 of 95 nodes on CPUExecutionProvider; 37 of 49 matrix products in INT8", "dtypes": "int8 22.1M, float32 0.6M"}
    made = {"seed": "1", "artifact": "results/reviews/teacher/seed1/model", "commit": "2852d3c", "modified": False, "seconds": 170.2}
    made |= {"inputs": "train.parquet 1f0c…", "options": json.dumps({"epochs": 4, "learning_rate": 5e-5, "batch_size": 32})}
    return {
        "proofs": [{"variant": row["variant"], "device": row["device"]} | ran for row in rows],
        "provenance": [{"variant": variant} | made | {"modified": "odd3" in variant} for variant in CHAINS],
        "method": [["score, interval", "saved artifact on the test split; bootstrap"], ["speed-up", "in turns on the same sentences"]],
    }


def sample() -> dict:
    """Return what `render` takes: the study of the README on two devices."""
    rows = [sample_row(variant, device) for variant in CHAINS for device in DEVICES if "int8" not in variant or "onnx" in device]
    mark_front(rows)
    smallest = sample_finding("variant_wins", "teacher+even3+int8: 17.6 MB, 85.0 %, 1.1 points below the baseline (interval −0.6 to 2.8).")
    fastest = sample_finding("variant_wins", "teacher+int8: 4.77× as fast, 86.2 %, none lost.")
    warning = "teacher+odd3 on cpu-pytorch: other programs took 22 % of the processors; do not rely on its times."
    pair = "teacher+even3 and teacher+odd3 cannot be told apart: accuracy +0.1 points (-0.9 to +1.1), p = 0.8."
    return {
        "experiment": "reviews", "metric": "accuracy", "unit": "sentence", "right": "accuracy", "seeds": [1, 2, 3], "test_examples": 1600,
        "machine": "AMD EPYC, 2 cores, 23.5 GB; avx2, avx512_vnni", "revisions": ["2852d3c"],
        "warnings": [sample_finding("noisy_rows", warning)],
        "gate": {"retained": 0.98}, "budget_points": 1.0,
        "answers": [{"device": device, "smallest": smallest, "fastest": fastest, "caution": None} for device in DEVICES],
        "data": [{"split": "train", "rows": 7940, "left_out": "2 (repeated text)"}, {"split": "test", "rows": 1600, "left_out": ""}],
        "processes": {"heads": ["processes", "tokens/s (range)"], "rows": [["1", "900 (890–910)"], ["2", "1,700 (1,690–1,720)"]]},
        "release_gate": {"heads": ["variant", "device", "gate", "budget"], "rows": [["even3", "cpu-pytorch", "pass", "-0.10 points"]]},
        "comparisons": [[sample_finding("not_significant", pair)]], "profiles": sample_profiles(rows),
        "columns": [sample_column(*facts) for facts in COLUMNS], "rows": rows, "baseline_score": dict.fromkeys(DEVICES, 0.861),
        "slices": sample_slices(rows), "grid": sample_grid(rows),
        "curves": [sample_curve(variant, seed) for variant in list(CHAINS)[:4] for seed in (1, 2, 3)],
    } | sample_records(rows)  # fmt: skip
