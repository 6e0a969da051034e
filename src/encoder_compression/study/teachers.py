"""Where the soft targets of a step come from: a step of its chain, a model of another experiment, or files."""


def reference(step_options: dict) -> dict | None:
    """Return the model of another experiment that teaches a step, with "experiment", "variant" and "seed"; None where none does."""
    teacher = step_options.get("teacher")
    return teacher if isinstance(teacher, dict) and "soft_targets" not in step_options else None


def in_chain(step_options: dict) -> bool:
    """Say whether the teacher that a step names is a step of its chain."""
    return "soft_targets" not in step_options and not isinstance(step_options.get("teacher"), dict)


def asks_teacher(loss: dict) -> bool:
    """Say whether a loss of these weights has a term that needs the teacher's answers."""
    return any(weight for term, weight in loss.items() if term != "hard")


def asks_teacher_itself(loss: dict) -> bool:
    """Say whether a loss of these weights has a term that no kept logits serve."""
    return bool(loss["hidden"] or loss["relation"])
