"""The forms of an artifact: which of them a runtime reads, and which one quantizing leaves."""

FORM_OF_RUNTIME = {"pytorch": "model", "onnxruntime": "onnx", "openvino": "openvino"}
FORM_OF_METHOD = {"dynamic": "onnx", "weights": "onnx", "openvino": "openvino", "bitsandbytes": "model", "torchao": "model"}  # what quantizing leaves
GRAPHS = ("onnx", "openvino")
OF_PYTORCH = tuple(method for method, form in FORM_OF_METHOD.items() if form == "model")  # methods named after the package that they need
