"""Rules that every class of the native module keeps."""

import re
from pathlib import Path

RUST = Path(__file__).resolve().parent.parent.parent / "rust"


def test_every_class_is_frozen_and_names_its_module():
    found = 0
    for source in (RUST / "pyext" / "src").glob("*.rs"):
        for arguments in re.findall(r"#\[pyclass\(?([^\]]*?)\)?\]", source.read_text()):
            found += 1
            assert "frozen" in arguments, f"{source.name}: pyclass({arguments})"
            assert 'module = "antiphon._native"' in arguments, (
                f"{source.name}: pyclass({arguments})"
            )
    assert found >= 8


def test_unsafe_code_stays_at_the_device_boundary():
    allowed = {RUST / "device" / "src", RUST / "core" / "src" / "dsp" / "kernels"}
    for source in RUST.glob("*/src/**/*.rs"):
        if allowed & set(source.parents):
            continue
        assert not re.search(r"\bunsafe\b\s*(\{|fn|impl)", source.read_text()), source


def test_the_core_reads_no_clock_and_starts_no_thread():
    for source in (RUST / "core" / "src").glob("**/*.rs"):
        if source.name in {"tests.rs", "model.rs"}:  # not part of what is built
            continue
        code = re.split(r"#\[cfg\((test|all\(test)", source.read_text())[0]
        assert not re.search(r"Instant::now|SystemTime|thread::spawn|std::fs|println!", code), (
            source
        )
