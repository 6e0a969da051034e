"""A chain of steps is a text with parts: its steps, its parent, all chains up to it, and the folders of its artifacts."""

import json

import pytest

from encoder_compression.study.chain import Chain, control_name, controlled, is_control, place_of


def test_the_parts_of_a_chain():
    chain = Chain("teacher+even3+int8")
    assert (chain.steps, chain.first, chain.last) == (("teacher", "even3", "int8"), "teacher", "int8")
    assert chain.parent == "teacher+even3"
    assert chain.prefixes == ["teacher", "teacher+even3", "teacher+even3+int8"]
    assert chain.up_to("even3") == "teacher+even3"


def test_the_first_step_has_no_parent_and_nothing_has_no_steps():
    assert Chain("teacher").parent == ""
    assert Chain("").steps == ()
    assert Chain("").then("teacher") == "teacher"
    assert Chain("teacher").then("even3") == "teacher+even3"


def test_a_step_that_stands_twice_ends_the_chain_at_its_first_place():
    assert Chain("teacher+half+half").up_to("half") == "teacher+half"
    with pytest.raises(ValueError):
        Chain("teacher+half").up_to("int8")


def test_a_chain_is_a_text_wherever_one_is_wanted():
    chain = Chain("teacher+even3")
    assert {chain: 1} == {"teacher+even3": 1}
    assert json.dumps({"variant": chain}) == '{"variant": "teacher+even3"}'
    assert repr(chain) == "'teacher+even3'"  # Snakemake compares options by how they print


@pytest.mark.parametrize("part", ["model", "cpu-onnxruntime", "soft_targets"])
def test_a_path_says_what_it_was_made_of(part):
    folder = Chain("teacher+even3-control").folder("reviews", 12, part)
    assert folder == f"results/reviews/teacher+even3-control/seed12/{part}"
    place = place_of(folder)
    assert (place.chain, place.seed, place.part) == ("teacher+even3-control", 12, part)
    assert place_of(f"/anywhere/{folder}") == place


def test_a_control_is_named_after_its_step():
    assert control_name("even3") == "even3-control"
    assert controlled("even3-control") == controlled("even3") == "even3"
    assert is_control("even3-control") and not is_control("even3")
    assert Chain("teacher+even3-control+int8").has_control
    assert not Chain("teacher+even3").has_control
