"""A classifier of transformers as torchao quantized it, compiled for all lengths at once."""

from functools import partial

import torch

from peers.loaders.torch_model import Model

load = partial(Model, dtype=torch.float32, compiled=True)
