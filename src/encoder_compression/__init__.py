"""Compress transformer encoders and measure, honestly, what it costs and brings."""

import sys

# OpenVINO and NNCF would tell a server what is converted and quantized; without this package they use a stub of their own.
sys.modules["openvino_telemetry"] = None
# peft would load it with every Trainer, which takes seconds; `techniques.lora` lets it in where weights are held in 4 bits.
sys.modules.setdefault("bitsandbytes", None)
