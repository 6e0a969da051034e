"""The known architectures: where each keeps its layers, and what its config calls their sizes. Imports neither torch nor transformers."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Architecture:
    """Names one architecture's modules and config keys, so that no technique has to ask which architecture it works on.

    model_type        name in transformers and in config.json
    layers            path of the list of transformer layers in the encoder without a head
    query … value     paths, in a layer, of the linear layers before its attention heads
    attention_output  path of the linear layer that reads the heads
    expansion         path of the linear layer that makes a layer's neurons
    contraction       path of the linear layer that reads the neurons
    depth_key         key of the number of layers in config.json
    heads_key         key of the number of attention heads
    neurons_key       key of the number of neurons of a layer
    token_types       whether it has a matrix of token types
    padding_position  id, or key in config.json of the id, that positions are counted from; None where they begin at 0
    refused           technique -> why it cannot work on this architecture
    """

    model_type: str
    layers: str
    query: str
    key: str
    value: str
    attention_output: str
    expansion: str
    contraction: str
    depth_key: str = "num_hidden_layers"
    heads_key: str = "num_attention_heads"
    neurons_key: str = "intermediate_size"
    token_types: bool = False
    padding_position: int | str | None = None
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def linears(self) -> dict[str, str]:
        """The path of each linear layer by its role."""
        return {role: getattr(self, role) for role in ROLES}


ROLES = ("query", "key", "value", "attention_output", "expansion", "contraction")
_OF_BERT = {
    "layers": "encoder.layer",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "expansion": "intermediate.dense",
    "contraction": "output.dense",
    "token_types": True,
}
_ALL = (
    Architecture("bert", **_OF_BERT),
    Architecture("camembert", **_OF_BERT, padding_position="pad_token_id"),
    Architecture(
        "distilbert",
        layers="transformer.layer",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_output="attention.out_lin",
        expansion="ffn.lin1",
        contraction="ffn.lin2",
        depth_key="n_layers",
        heads_key="n_heads",
        neurons_key="hidden_dim",
    ),
    Architecture("electra", **_OF_BERT),
    Architecture(
        "mpnet",
        layers="encoder.layer",
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention_output="attention.attn.o",
        expansion="intermediate.dense",
        contraction="output.dense",
        padding_position=1,  # transformers' MPNetEmbeddings does not ask the config
        refused={"shrink": "the heads of MPNet share a matrix of relative positions that cannot be cut"},
    ),
    Architecture("roberta", **_OF_BERT, padding_position="pad_token_id"),
    Architecture("xlm-roberta", **_OF_BERT, padding_position="pad_token_id"),
)
ARCHITECTURES = {architecture.model_type: architecture for architecture in _ALL}
