"""A classifier of transformers in bfloat16."""

from functools import partial

import torch

from peers.loaders.torch_model import Model

load = partial(Model, dtype=torch.bfloat16, compiled=False)
