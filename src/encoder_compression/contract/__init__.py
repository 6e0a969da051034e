"""A contract for a model: a table becomes a study, and the study an answer."""
