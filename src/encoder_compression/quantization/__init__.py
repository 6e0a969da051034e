"""Roles of matmuls in a graph, outlier equalization, sensitivity, fake quantization."""
