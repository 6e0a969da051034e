"""Knowledge distillation: soft targets, ensembles of teachers, unlabeled rows."""
