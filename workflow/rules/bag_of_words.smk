"""
Fit TF-IDF of n-grams and a linear model: what no neural network gives.

IN   results/{experiment}/base/, of which the tokenizer alone is read, results/{experiment}/dataset/
OUT  results/{experiment}/{variant}/seed{seed}/onnx/, training.csv
"""


rule bag_of_words:
    """Fit TF-IDF of n-grams of tokens and a linear model to the labels."""
    input:
        encoder="results/{experiment}/base",
        dataset="results/{experiment}/dataset",
    output:
        graph=directory("results/{experiment}/{variant}/seed{seed}/onnx"),
        curve="results/{experiment}/{variant}/seed{seed}/training.csv",
    log:
        "logs/{experiment}/{variant}/seed{seed}/bag_of_words.log",
    wildcard_constraints:
        variant=targets.steps_pattern(studies, "bag_of_words"),
    priority: 10
    params:
        options=inputs.of_step("options"),
        metric=inputs.section("metric"),
    script:
        "../scripts/bag_of_words.py"
