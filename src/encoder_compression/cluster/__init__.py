"""SLURM: what to edit for a cluster, jobs left by a killed run, a guard for a run that waits on nothing."""
