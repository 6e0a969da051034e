"""Weights to ONNX graphs, OpenVINO models and compressed files, and what these hold."""
