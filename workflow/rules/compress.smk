"""
Compress weights into a file from which they come back bit for bit; this is where the zeros of pruning save space.

IN   results/{experiment}/{variant}/seed{seed}/model/
OUT  results/{experiment}/{variant}/seed{seed}/compressed/  model.safetensors.zst, config, tokenizer

Part of every run for the variants that end in a prune step; any other with weights can be asked for by its path.
"""


rule compress:
    """Compress the weights of a model losslessly with zstd."""
    input:
        model="results/{experiment}/{variant}/seed{seed}/model",
    output:
        directory("results/{experiment}/{variant}/seed{seed}/compressed"),
    log:
        "logs/{experiment}/{variant}/seed{seed}/compress.log",
    wildcard_constraints:
        variant=targets.weights_pattern(studies),
    priority: 5
    script:
        "../scripts/compress.py"
