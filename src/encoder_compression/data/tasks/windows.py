"""A question and its context, which may be longer than the encoder reads, as overlapping windows of tokens.

The windows are those of Hugging Face's fast tokenizers with ``truncation="only_second"`` and ``return_overflowing_tokens``,
but each context is tokenized once for all questions about it: SQuAD asks five of each.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from encoder_compression.errors import UserError

QUESTION_SHARE = 4  # one part in so many of a window is the most a question takes


@dataclass(frozen=True)
class Frame:
    """The special tokens around the two texts, and the token types of the five pieces, in the order they are read."""

    before: np.ndarray
    between: np.ndarray
    after: np.ndarray
    types: np.ndarray

    def room(self, question: int, *, max_length: int) -> int:
        """Return how many tokens of the context a window holds beside a question of so many tokens."""
        return max_length - question - len(self.before) - len(self.between) - len(self.after)


def cut(
    questions: list[str], contexts: list[str], *, tokenizer, max_length: int, stride: int, told_apart: bool
) -> dict[str, list[int] | list[np.ndarray]]:
    """Return the windows of at least one question, each with its context, in the order of the questions.

    ``tokenizer`` is a fast one of transformers; ``max_length`` is the most tokens of a window, and ``stride`` how many
    tokens of the context two neighbours share. Only the context is cut into windows: a question is cut once, after
    ``max_length // 4`` tokens, so that it always leaves room. Nothing is padded. With one entry per window:

    - ``example``: the index of the question;
    - ``input_ids`` and, if the encoder is ``told_apart`` question and context, ``token_type_ids``: int32 [length];
    - ``context_first``: the index in ``input_ids`` of the first token of the context;
    - ``token_starts``, ``token_ends``: where in the context's text each of its tokens lies, in characters: int32 [tokens].

    A context without tokens makes one window without. Raises UserError for a slow tokenizer, and for a ``stride`` that
    is no shorter than the part of the context in a window.
    """
    if not tokenizer.is_fast:
        raise UserError("dataset: only a fast tokenizer tells where its tokens lie in a text; give an encoder with a tokenizer.json")
    frame, longest = frame_of(tokenizer.backend_tokenizer, told_apart), max_length // QUESTION_SHARE
    if not 0 <= stride < frame.room(longest, max_length=max_length):
        raise UserError(
            f"dataset: windows of {max_length} tokens cannot overlap by {stride}; "
            f"give a stride below {frame.room(longest, max_length=max_length)} or a larger max_length"
        )
    asked = [np.array(ids[:longest], dtype=np.int32) for ids in _encode(questions, tokenizer)["input_ids"]]
    passages = _passages(contexts, tokenizer)
    names = ("example", "input_ids", *["token_type_ids"] * told_apart, "context_first", "token_starts", "token_ends")
    windows = {name: [] for name in names}
    for example, (question, context) in enumerate(zip(asked, contexts, strict=True)):
        for window in of_question(frame, question, passages[context], max_length=max_length, stride=stride):
            windows["example"].append(example)
            for name in names[1:]:
                windows[name].append(window[name])
    return windows


def positions(windows: dict[str, list], *, answer_starts: list[int], answer_texts: list[str]) -> tuple[list[int], list[int]]:
    """Return for each window of `cut` the indices in ``input_ids`` of the first and the last token of its example's answer.

    ``answer_starts`` and ``answer_texts`` have one entry per example: where in the context, in characters, the answer
    begins, and the answer itself, "" for a question without one. Blanks around an answer do not count. Both indices are 0,
    the token that stands for "no answer" (Devlin et al. 2019, section 4.3), where a window lacks the answer or a part of it.
    """
    bounds = [_bounds(start, text) for start, text in zip(answer_starts, answer_texts, strict=True)]
    rows = zip(windows["example"], windows["context_first"], windows["token_starts"], windows["token_ends"], strict=True)
    spans = [_locate(*bounds[example], starts=starts, ends=ends, offset=offset) for example, offset, starts, ends in rows]
    return [first for first, _ in spans], [last for _, last in spans]


def _encode(texts: list[str], tokenizer, *, offsets: bool = False):
    return tokenizer(
        texts,
        add_special_tokens=False,
        padding=False,
        truncation=False,
        return_offsets_mapping=offsets,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # a long text is no mistake here
    )


def _passages(contexts: list[str], tokenizer) -> dict[str, tuple[np.ndarray, ...]]:
    """Return by context its token ids and where they start and end, each int32 [tokens]."""
    texts = list(dict.fromkeys(contexts))
    encoded = _encode(texts, tokenizer, offsets=True)
    passages = {}
    for text, ids, offsets in zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        starts, ends = np.array(offsets, dtype=np.int32).reshape(-1, 2).T.copy()
        passages[text] = np.array(ids, dtype=np.int32), starts, ends
    return passages


def frame_of(tokenizer: Tokenizer, told_apart: bool) -> Frame:
    """Learn from one short pair what the tokenizer puts around two texts: BERT and RoBERTa differ in it.

    From now on the tokenizer cuts and pads nothing.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    pair = tokenizer.encode("a", "a")
    sides = pair.sequence_ids
    question, context = sides.index(0), sides.index(1)
    question_end, context_end = question + sides.count(0), context + sides.count(1)
    ids = np.array(pair.ids, dtype=np.int32)
    types = np.array(pair.type_ids if told_apart else [0] * len(ids), dtype=np.int32)
    pieces = [0, question, question_end, context, min(context_end, len(ids) - 1)]
    return Frame(before=ids[:question], between=ids[question_end:context], after=ids[context_end:], types=types[pieces])


def of_question(
    frame: Frame, question: np.ndarray, passage: tuple[np.ndarray, ...], *, max_length: int, stride: int
) -> Iterator[dict[str, int | np.ndarray]]:
    """Yield the windows of one question as `cut` has them, by name; ``question`` holds the ids of its tokens, cut already.

    ``passage`` holds the context's token ids and where they start and end, each int32 [tokens]; the offsets of windows are views of them.
    """
    ids, starts, ends = passage
    room = frame.room(len(question), max_length=max_length)
    first, total = len(frame.before) + len(question) + len(frame.between), len(ids)
    for begin in range(0, max(1, total - stride), room - stride):  # the last one begins where more than the overlap is left
        part = slice(begin, begin + room)
        pieces = (frame.before, question, frame.between, ids[part], frame.after)
        yield {
            "input_ids": np.concatenate(pieces),
            "token_type_ids": np.repeat(frame.types, [len(piece) for piece in pieces]),
            "context_first": first,
            "token_starts": starts[part],
            "token_ends": ends[part],
        }


def _bounds(start: int, text: str) -> tuple[int, int]:
    """Return where the answer without blanks around it starts and ends, in characters; the same twice where there is none."""
    start += len(text) - len(text.lstrip())
    return start, start + len(text.strip())


def _locate(start: int, end: int, *, starts: np.ndarray, ends: np.ndarray, offset: int) -> tuple[int, int]:
    """Return the first and the last token that overlap the characters start…end, or 0, 0 unless all of them are there."""
    if start == end or not len(starts) or start < starts[0] or end > ends[-1]:
        return 0, 0
    first = int(ends.searchsorted(start, side="right"))
    last = int(starts.searchsorted(end, side="left")) - 1
    return (offset + first, offset + last) if first <= last else (0, 0)
