"""What a card, its driver and the libraries lack for a device on CUDA is one line, asked of the machine without torch."""

import subprocess
import sys

import pytest

from encoder_compression.errors import UserError
from encoder_compression.run import gpu

CUDA = {"runtime": "pytorch", "hardware": "cuda", "precision": "float32"}
H100 = gpu.Card("NVIDIA H100", (9, 0), "580.65.06")
T4 = gpu.Card("Tesla T4", (7, 5), "580.65.06")


@pytest.fixture
def machine(monkeypatch):
    """Return a function that gives this machine cards, and torch's build a version of CUDA."""

    def give(*cards: gpu.Card, cuda=(12, 8)):
        monkeypatch.setattr(gpu, "cards", lambda: list(cards))
        monkeypatch.setattr(gpu, "cuda_of_torch", lambda: cuda)

    return give


def experiments(**device) -> dict:
    return {"mine": {"devices": {"card": CUDA | device, "processor": CUDA | {"hardware": "cpu", "precision": "bfloat16"}}}}


def test_cards_are_read_as_the_driver_tells_them(monkeypatch):
    monkeypatch.setattr(gpu.environment, "lines_of", lambda command: ["NVIDIA H100, 9.0, 580.65.06", "Tesla T4, 7.5, 580.65.06"])
    assert gpu.cards() == [H100, T4]


def test_a_machine_without_a_driver_has_no_cards(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert gpu.cards() == []


def test_a_card_without_bfloat16_is_told(machine):
    machine(H100, T4)
    with pytest.raises(UserError, match="device 'card': Tesla T4 has no bfloat16, .* give it precision: float16, or take the device out"):
        gpu.require_fit(experiments(precision="bfloat16"))
    gpu.require_fit(experiments(precision="float16"))
    machine(H100)
    gpu.require_fit(experiments(precision="bfloat16"))


@pytest.mark.parametrize(
    ("driver", "cuda", "fits"), [("570.86.15", (13, 0), False), ("570.86.15", (12, 8), True), ("470.57.02", (12, 8), False)]
)
def test_a_driver_older_than_the_build_is_told(machine, driver, cuda, fits):
    machine(gpu.Card("NVIDIA A100", (8, 0), driver), cuda=cuda)
    if fits:
        gpu.require_fit(experiments())
        return
    built = f"CUDA {cuda[0]}.{cuda[1]}"
    with pytest.raises(UserError, match=f"device 'card': the driver {driver} of NVIDIA A100 is older than .*{built} needs; renew it"):
        gpu.require_fit(experiments())


def test_cards_are_asked_about_only_for_devices_of_pytorch_on_cuda(machine):
    machine(gpu.Card("NVIDIA A100", (8, 0), "1.0"))
    gpu.require_fit({"mine": {"devices": {"graph": CUDA | {"runtime": "onnxruntime"}, "processor": CUDA | {"hardware": "cpu"}}}})


@pytest.mark.parametrize(("cuda", "lacks"), [((13, 0), None), ((12, 8), None), ((12, 2), "bitsandbytes has no kernels for CUDA 12.2")])
def test_the_kernels_of_bitsandbytes_are_those_whose_files_it_brings(monkeypatch, cuda, lacks):
    monkeypatch.setattr(gpu, "cuda_of_torch", lambda: cuda)
    refusal = gpu.lacks_kernels("bitsandbytes")
    assert refusal is None if lacks is None else refusal.startswith(lacks)
    assert gpu.lacks_kernels("torchao") is None


def test_the_build_of_torch_is_read_without_importing_it():
    code = "import sys; from encoder_compression.run import gpu; print(gpu.cuda_of_torch(), 'torch' in sys.modules)"
    import torch

    expected = tuple(map(int, torch.version.cuda.split(".")[:2])) if torch.version.cuda else None
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.stdout == f"{expected} False\n"
