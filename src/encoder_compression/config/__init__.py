"""YAML files to one checked, complete dict of options per experiment."""
