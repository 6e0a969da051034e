"""The forms of an artifact: which of them a runtime reads, and which one quantizing leaves."""

FORM_OF_RUNTIME = {"pytorch": "model", "onnxruntime": "onnx", "openvino": "openvino"}
FORM_OF_METHOD = {"dynamic": "onnx", "weights": "onnx", "openvino": "openvino"}  # what quantizing leaves
GRAPHS = ("onnx", "openvino")
