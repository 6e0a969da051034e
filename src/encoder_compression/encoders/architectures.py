"""The known architectures: where each keeps its layers, and what its config calls their sizes. Imports neither torch nor transformers."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Architecture:
    """Names one architecture's modules and config keys, so that no technique has to ask which architecture it works on.

    model_type        name in transformers and in config.json
    layers            path of the list of transformer layers in the encoder without a head
    query … value     paths, in a layer, of the linear layers before its attention heads; one path where a single matrix holds all three
    attention_output  path of the linear layer that reads the heads
    expansion         path of the linear layer that makes a layer's neurons, and behind them their gates where it is gated
    contraction       path of the linear layer that reads the neurons
    depth_key         key of the number of layers in config.json
    width_key         key of how many numbers a token has between two layers
    heads_key         key of the number of attention heads
    neurons_key       key of the number of neurons of a layer
    token_types       whether it has a matrix of token types
    padding_position  id, or key in config.json of the id, that positions are counted from; None where they begin at 0
    gated             whether each neuron is multiplied by a gate, so that the expansion has twice as many outputs as neurons
    of_positions      paths of further linear layers, where a model has them, that make queries and keys of relative positions
    heads_attribute   path, in a layer, of the attribute that says how many heads it computes; None where its matrices say so
    layer_keys        keys of config.json with an entry for each layer
    first_norm        path of the norm that every layer but the first has; None where all layers are alike
    norms             paths, in a layer, of the norms behind its attention and behind its neurons, where it has them there
    embedding_norm    path, in the encoder, of the norm of the embeddings
    after_first       path, in the encoder, of a module between the first layer and the second, where a model has it
    refused           technique, or option of one -> why it cannot work on this architecture
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
    width_key: str = "hidden_size"
    heads_key: str = "num_attention_heads"
    neurons_key: str = "intermediate_size"
    token_types: bool = False
    padding_position: int | str | None = None
    gated: bool = False
    of_positions: tuple[str, ...] = ()
    heads_attribute: str | None = None
    layer_keys: tuple[str, ...] = ()
    first_norm: str | None = None
    norms: tuple[str, ...] = ()
    embedding_norm: str = "embeddings.LayerNorm"
    after_first: str | None = None
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def linears(self) -> dict[str, str]:
        """The path of each linear layer by its role."""
        return {role: getattr(self, role) for role in ROLES}

    @property
    def fused(self) -> bool:
        """Whether one matrix gives queries, keys and values, in this order."""
        return self.query == self.value

    @property
    def per_head(self) -> dict[str, int]:
        """The paths of linear layers whose outputs belong to heads, and how many times over each head has some."""
        return {self.query: 3} if self.fused else dict.fromkeys((self.query, self.key, self.value, *self.of_positions), 1)


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
    "norms": ("attention.output.LayerNorm", "output.LayerNorm"),
}
_ALL = (
    Architecture("bert", **_OF_BERT),
    Architecture("camembert", **_OF_BERT, padding_position="pad_token_id"),
    Architecture(
        "deberta-v2",  # and v3, by the same name
        layers="encoder.layer",
        query="attention.self.query_proj",
        key="attention.self.key_proj",
        value="attention.self.value_proj",
        attention_output="attention.output.dense",
        expansion="intermediate.dense",
        contraction="output.dense",
        token_types=True,
        of_positions=("attention.self.pos_query_proj", "attention.self.pos_key_proj"),
        heads_attribute="attention.self.num_attention_heads",
        after_first="encoder.conv",
        refused={"hidden_size": "its relative positions are as wide as its hidden states and are read by every layer"},
    ),
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
        width_key="dim",
        heads_key="n_heads",
        neurons_key="hidden_dim",
        norms=("sa_layer_norm", "output_layer_norm"),
    ),
    Architecture("electra", **_OF_BERT, refused={"hidden_size": "its embeddings have a width of their own"}),
    Architecture(
        "modernbert",
        layers="layers",
        query="attn.Wqkv",
        key="attn.Wqkv",
        value="attn.Wqkv",
        attention_output="attn.Wo",
        expansion="mlp.Wi",
        contraction="mlp.Wo",
        gated=True,
        layer_keys=("layer_types",),
        first_norm="attn_norm",
        refused={"hidden_size": "its norms stand before the matrices, so that its hidden states are never normalized"},
    ),
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
        refused=dict.fromkeys(("shrink", "hidden_size"), "the heads of MPNet share a matrix of relative positions that cannot be cut"),
    ),
    Architecture("roberta", **_OF_BERT, padding_position="pad_token_id"),
    Architecture("xlm-roberta", **_OF_BERT, padding_position="pad_token_id"),
)
ARCHITECTURES = {architecture.model_type: architecture for architecture in _ALL}
# A model without layers, which a step makes of an encoder and which is no encoder to begin with.
STATIC = Architecture("static", layers="", query="", key="", value="", attention_output="", expansion="", contraction="")
