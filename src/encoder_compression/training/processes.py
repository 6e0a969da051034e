"""What the processes of one training must agree on; alone, a process agrees with itself."""

from collections.abc import Iterator

import torch
from accelerate import PartialState
from torch import distributed
from torch.utils.data import BatchSampler, DataLoader, Sampler


def count() -> int:
    """Return how many processes train one model together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Return the number of this process among them; the first one, 0, alone writes files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def wait() -> None:
    """Return once all have come here."""
    if count() > 1:
        PartialState().wait_for_everyone()


def total(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of a tensor over the processes; on a card it is not waited for."""
    if count() > 1:
        values = values.clone()
        distributed.all_reduce(values)
    return values


def smallest(values: torch.Tensor) -> torch.Tensor:
    """Return the elementwise minimum of a tensor over the processes."""
    if count() > 1:
        values = values.clone()
        distributed.all_reduce(values, distributed.ReduceOp.MIN)
    return values


class ShareOfBatches(Sampler):
    """Batches of indices, of each of which this process gets every n-th: together they are those of one process.

    Where the last batch of an epoch has fewer examples than there are processes, some get its first one once more.
    """

    def __init__(self, sampler: Sampler, batch_size: int):
        self.sampler = sampler
        self.whole = BatchSampler(sampler, batch_size, drop_last=False)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.whole:
            yield batch[rank() :: count()] or batch[:1]

    def __len__(self) -> int:
        return len(self.whole)

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch; by transformers 5 itself where the first batches of a resumed one are left out."""
        self.sampler.set_epoch(epoch)


class ShareLoader(DataLoader):
    """Loads this process's share of every batch; the order is new in each epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before each epoch."""
        self.batch_sampler.set_epoch(epoch)
