"""
Deliver the row that keeps the contract: its artifact alone, the code that runs it, and a certificate of what it keeps.

IN   results/{experiment}/gate.json, aggregate.csv, summary.csv; the artifacts, measurements and data sets of the rows on the contract's
     device; results/{experiment}/screening.csv, where there is one
OUT  results/{experiment}/delivery/  {onnx,openvino,model}/  predict.py  server.py  settings.json  requirements.txt  Dockerfile
                                     certificate.json  certificate.md  frontier.png  frontier.svg

It has the machine to itself, as the latency of the server is measured.
"""


rule deliver:
    """Write the delivery of an experiment with a contract: artifact, code, certificate."""
    input:
        inputs.of_experiment("delivery_reads"),
        gate="results/{experiment}/gate.json",
        aggregate="results/{experiment}/aggregate.csv",
        summary="results/{experiment}/summary.csv",
        screening=inputs.of_experiment("screening"),
    output:
        directory("results/{experiment}/delivery"),
    log:
        "logs/{experiment}/deliver.log",
    wildcard_constraints:
        experiment=targets.contract_pattern(studies),
    threads: share_of_cores(1)
    params:
        options=inputs.of_experiment("delivery_options"),
    script:
        "../scripts/deliver.py"
