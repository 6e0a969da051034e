"""The forms of an artifact: which of them a runtime reads, and which one quantizing leaves."""

FORM_OF_RUNTIME = {"pytorch": "model", "onnxruntime": "onnx", "openvino": "openvino"}
OF_PYTORCH = ("bitsandbytes", "torchao")  # methods that are named after the package they need
FORM_OF_METHOD = {"dynamic": "onnx", "weights": "onnx", "openvino": "openvino"} | dict.fromkeys(
    OF_PYTORCH, "model"
)  # what quantizing leaves
GRAPHS = ("onnx", "openvino")
