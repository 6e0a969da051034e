"""From the logits of a span's start and end to the best answer of each question."""

import numpy as np


def best_span(logits: np.ndarray, *, context_first: int, tokens: int, longest: int) -> tuple[float, int, int]:
    """Return the score of a window's best span, and its first and last token, counted from the context's first.

    ``logits`` [2, length] are those of the start and of the end, perhaps padded; the ``tokens`` of the context begin at
    ``context_first``. A span's score is the sum of the two logits (Devlin et al. 2019, section 4.2). Every span of
    1…``longest`` tokens inside the context is compared, where the official scripts compare the 20 best starts and ends.
    Of equal spans the first wins, then the shortest. Raises ValueError for a context without tokens.
    """
    if tokens < 1:
        raise ValueError("a context without tokens has no span")
    starts, ends = np.asarray(logits[:, context_first : context_first + tokens], dtype=np.float64)
    padded = np.concatenate([ends, np.full(longest - 1, -np.inf)])  # spans that would leave the context
    scores = starts[:, None] + np.lib.stride_tricks.sliding_window_view(padded, longest)  # [tokens, longest], by start and length
    first, more = divmod(int(scores.argmax()), longest)
    return float(scores[first, more]), first, first + more


def decode(windows: dict[str, list], contexts: list[str], *, longest: int) -> dict[str, list]:
    """Return for each of the ``contexts`` the ``answer`` that its windows give, its ``score`` and its ``null_odds``.

    ``windows`` are those of `windows.cut` for the whole split, one or more for each context, with their ``logits``
    [2, length]; ``longest`` is the most tokens of an answer. An answer is the part of the context under the best span of
    all its windows, of equal ones the first. ``null_odds`` is the score of "no answer" less that of the answer, as in
    the reference for SQuAD v2.0 (Devlin et al. 2019, section 4.3): the former is the sum of the first token's two logits,
    the smallest over the windows. Windows without a token of the context count for that alone; where there are only such,
    the answer is "", with the score of "no answer" and odds of 0. All logits must be finite.
    """
    null = np.full(len(contexts), np.inf)
    best = np.full(len(contexts), -np.inf)
    answers = [""] * len(contexts)
    columns = (windows[name] for name in ("example", "context_first", "token_starts", "token_ends", "logits"))
    for example, context_first, starts, ends, logits in zip(*columns, strict=True):
        null[example] = min(null[example], float(logits[0][0]) + float(logits[1][0]))
        if len(starts) == 0:
            continue
        score, first, last = best_span(np.asarray(logits), context_first=context_first, tokens=len(starts), longest=longest)
        if score > best[example]:
            best[example], answers[example] = score, contexts[example][starts[first] : ends[last]]
    best = np.where(np.isneginf(best), null, best)
    return {"answer": answers, "score": best.tolist(), "null_odds": (null - best).tolist()}
