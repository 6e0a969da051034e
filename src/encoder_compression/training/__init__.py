"""The training loop: objectives, losses, batches, checkpoints, length, several processes."""
