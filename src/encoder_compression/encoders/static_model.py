"""A classifier of texts without any layer: the mean of the embeddings of a text's tokens, and a linear head.

The weights and the tokenizer are those that ``StaticEmbedding`` of sentence-transformers loads: ``embedding.weight`` [vocabulary,
dimensions] and ``tokenizer.json``; its embedding of a text is the mean that the head reads.
"""

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from encoder_compression.encoders.architectures import STATIC


@strict
class StaticConfig(PreTrainedConfig):
    """What a static model is made of: sizes, the tokens that are around texts, and how many texts an input has."""

    model_type = STATIC.model_type
    vocab_size: int = 1
    hidden_size: int = 64
    max_position_embeddings: int = 512  # the longest input that it was trained for; it has no positions
    num_hidden_layers: int = 0
    num_attention_heads: int = 0
    texts: int = 1
    pad_token_id: int | None = None
    cls_token_id: int | None = None
    sep_token_id: int | None = None


class StaticForSequenceClassification(PreTrainedModel):
    """Means of token embeddings [batch, dimensions], a linear head.

    Of two texts u and v the head reads [u, v, |u - v|, u * v] (Conneau et al. 2017, InferSent; Mou et al. 2016). Padding and the
    tokens around texts do not count.
    """

    config_class = StaticConfig
    base_model_prefix = "static"

    def __init__(self, config: StaticConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size * (1 if config.texts == 1 else 4), config.num_labels)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the token embeddings."""
        return self.embedding

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the token embeddings."""
        self.embedding = value

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None, **_) -> SequenceClassifierOutput:
        """Return logits [batch, labels] of ids and mask [batch, length].

        ``labels`` are named for the Trainer, which looks for them; like all else that an encoder reads they change nothing.
        """
        of_separator = input_ids == self.config.sep_token_id
        counts = attention_mask.bool() & ~of_separator & (input_ids != self.config.cls_token_id)
        vectors = self.embedding(input_ids)
        if self.config.texts == 1:
            return SequenceClassifierOutput(logits=self.classifier(_mean(vectors, counts)))
        is_second = of_separator.int().cumsum(dim=1) > 0
        first, second = _mean(vectors, counts & ~is_second), _mean(vectors, counts & is_second)
        features = torch.cat([first, second, (first - second).abs(), first * second], dim=1)
        return SequenceClassifierOutput(logits=self.classifier(features))


def _mean(vectors: Tensor, counts: Tensor) -> Tensor:
    """Return the mean [batch, dimensions] of the vectors [batch, length, dimensions] that count [batch, length]; 0 where none does."""
    weights = counts.to(vectors.dtype).unsqueeze(2)
    return (weights * vectors).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def register() -> None:
    """Let transformers' Auto classes of this process load the model."""
    AutoConfig.register(STATIC.model_type, StaticConfig)
    AutoModelForSequenceClassification.register(StaticConfig, StaticForSequenceClassification)
