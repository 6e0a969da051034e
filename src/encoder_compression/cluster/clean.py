"""Cancel the SLURM jobs that a killed run left working in this folder: make slurm-clean."""

import sys

from encoder_compression.cluster.queue import cancel_orphans
from encoder_compression.errors import UserError

if __name__ == "__main__":
    try:
        print(f"{cancel_orphans()} SLURM jobs cancelled; snakemake --profile profiles/slurm goes on where the run was")
    except UserError as error:
        sys.exit(f"Error: {error}")
