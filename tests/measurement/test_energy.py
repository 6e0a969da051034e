"""Energy is read from the machine's own counters, or not at all."""

from encoder_compression.measurement.energy import EnergyCounter


def write_domain(powercap, name: str, microjoules: int) -> None:
    (powercap / name).mkdir(exist_ok=True)
    (powercap / name / "energy_uj").write_text(f"{microjoules}\n", encoding="utf-8")
    (powercap / name / "max_energy_range_uj").write_text("10000000\n", encoding="utf-8")


def test_packages_are_added_and_their_parts_are_not_counted_twice(tmp_path):
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        write_domain(tmp_path, name, 1_000_000)
    counter = EnergyCounter(tmp_path)
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        write_domain(tmp_path, name, 3_500_000)
    assert counter.joules() == 5.0


def test_a_counter_that_began_again_at_its_maximum_is_read_on(tmp_path):
    write_domain(tmp_path, "intel-rapl:0", 9_000_000)
    counter = EnergyCounter(tmp_path)
    write_domain(tmp_path, "intel-rapl:0", 1_000_000)
    assert counter.joules() == 2.0


def test_a_machine_without_counters_has_no_figure(tmp_path):
    assert EnergyCounter(tmp_path).joules() is None
