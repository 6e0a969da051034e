"""What decides how long a model's calls take, values of weights left out: graph, shapes and number formats, as one digest.

Dense kernels take as long for zeros as for other numbers, so two artifacts of one digest run equally fast.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import onnx
from onnx import TensorProto
from safetensors import safe_open

from encoder_compression.encoders.safety import CONFIG, read_json

CONTROLS = {TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL}  # formats of shapes, axes and indices, whose values count
WITHOUT_WORK = ("_name_or_path", "transformers_version", "id2label", "label2id")  # of config.json


def digest(artifact: Path) -> str:
    """Return the SHA-256 of what an artifact's files say beside the values of its weights."""
    forms = {"openvino_model.xml": _of_openvino, "model.onnx": _of_onnx, "model.safetensors": _of_safetensors}
    of_form = next(read for name, read in forms.items() if (Path(artifact) / name).exists())
    sha = hashlib.sha256()
    for part in of_form(Path(artifact)):
        sha.update(part)
    return sha.hexdigest()


def _of_safetensors(artifact: Path) -> Iterator[bytes]:
    config = {name: value for name, value in read_json(artifact / CONFIG).items() if name not in WITHOUT_WORK}
    yield json.dumps(config, sort_keys=True).encode()
    with safe_open(artifact / "model.safetensors", "numpy") as file:
        for name in sorted(file.keys()):
            tensor = file.get_slice(name)
            yield f"{name} {tensor.get_shape()} {tensor.get_dtype()}".encode()


def _of_onnx(artifact: Path) -> Iterator[bytes]:
    model = onnx.load(artifact / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.data_type not in CONTROLS:
            for values in ("raw_data", "float_data", "int32_data", "double_data", "uint64_data"):
                tensor.ClearField(values)
    yield model.graph.SerializeToString(deterministic=True)


def _of_openvino(artifact: Path) -> Iterator[bytes]:
    root = ElementTree.parse(artifact / "openvino_model.xml").getroot()  # noqa: S314, this workflow wrote it
    with (artifact / "openvino_model.bin").open("rb") as weights:
        for data in root.findall("./layers/layer[@type='Const']/data"):
            weights.seek(int(data.attrib.pop("offset")))
            if data.get("element_type") in ("i64", "i32", "boolean"):
                yield weights.read(int(data.get("size")))
    for element in root.iter():
        for name in ("name", "names"):  # with counters of the process that converted it
            element.attrib.pop(name, None)
        for notes in element.findall("rt_info"):
            element.remove(notes)
    for part in ("layers", "edges"):
        yield ElementTree.tostring(root.find(part))
