"""What surrounds a job: log, errors, provenance, processes, locks."""
