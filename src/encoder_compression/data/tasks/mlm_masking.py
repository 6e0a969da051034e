"""Which tokens of a block are masked, and what the encoder reads there: BERT's rule of MLM (Devlin et al. 2019, section 3.1)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from encoder_compression.data.features import IGNORED


@dataclass(frozen=True)
class MlmMasking:
    """The MLM masks' rule for one tokenizer; special tokens, the unknown one too, are never masked and never put in a place."""

    share: float
    whole_words: bool
    mask_token_id: int
    special_ids: list[int]
    vocabulary_size: int

    def apply(self, ids: np.ndarray, words: np.ndarray | None, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return what the encoder reads of a block's ``ids`` [length], and labels [length]: the token that was masked, or IGNORED.

        Of the chosen tokens 80 % become the mask token, 10 % another token, 10 % stay. ``words`` [length] numbers the words that tokens
        are of, and is not looked at unless whole words are masked; of a word, each token meets a fate of its own, as in BERT.
        """
        chosen = self._choose(ids, words, generator)
        fates = generator.random(len(chosen))
        masked, labels = ids.copy(), np.full_like(ids, IGNORED)
        labels[chosen] = ids[chosen]
        masked[chosen[fates < 0.8]] = self.mask_token_id
        changed = chosen[fates >= 0.9]
        masked[changed] = generator.choice(self._ordinary, len(changed))
        return masked, labels

    def _choose(self, ids: np.ndarray, words: np.ndarray | None, generator: np.random.Generator) -> np.ndarray:
        """Return the places to mask: exactly the share, or as many whole words as go into it; one at least."""
        places = np.flatnonzero(~np.isin(ids, self.special_ids))
        units = words[places] if self.whole_words else places
        _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
        order = generator.permutation(len(sizes))
        fitting = int((sizes[order].cumsum() <= round(self.share * len(places))).sum())
        return places[np.isin(unit, order[: max(1, fitting)])]

    @cached_property
    def _ordinary(self) -> np.ndarray:
        return np.setdiff1d(np.arange(self.vocabulary_size), self.special_ids)


def for_tokenizer(tokenizer, *, share: float, whole_words: bool) -> MlmMasking:
    """Return the rule for a tokenizer, with the options of the section ``masking``."""
    return MlmMasking(
        share=share,
        whole_words=whole_words,
        mask_token_id=tokenizer.mask_token_id,
        special_ids=sorted(tokenizer.all_special_ids),
        vocabulary_size=len(tokenizer),
    )
