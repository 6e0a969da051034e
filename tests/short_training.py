"""Options of the shortest training."""

TRAINING = {
    "epochs": 1,
    "learning_rate": 1e-3,
    "batch_size": 8,
    "accumulation": 1,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "patience": 2,
    "precision": "float32",
}
