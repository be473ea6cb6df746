"""The wheel holds what it should, and works where no compiler is."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TEXT_TURN = """
import asyncio
from antiphon import LiveGenerationConfig, LiveModel
from antiphon.emulator import Emulator

async def main():
    async with Emulator() as emulator:
        model = LiveModel("gemini-2.0-flash-live-001", backend=emulator.backend("google"),
                          config=LiveGenerationConfig(response_modalities=["TEXT"]))
        async with model.connect() as session:
            print((await session.ask("hello")).text)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheel(request) -> Path:
    folder = request.config.getoption("--wheel-dir")
    if folder is None:
        pytest.skip("no wheel named: run `make test-wheel`")
    wheels = list(Path(folder).glob("*.whl"))
    assert len(wheels) == 1, wheels
    return wheels[0]


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory) -> Path:
    """A fresh environment with the wheel in it; no compiler can be found from there."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", wheel]
    environment = {k: v for k, v in os.environ.items() if k not in ("CC", "RUSTC", "PYTHONPATH")}
    subprocess.run(command, check=True, env={**environment, "PATH": str(python.parent)})
    return folder


def run(elsewhere: Path, *command: str) -> str:
    done = subprocess.run(
        [elsewhere / "venv" / "bin" / command[0], *command[1:]],
        cwd=elsewhere,
        env={"PATH": str(elsewhere / "venv" / "bin"), "HOME": str(elsewhere)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_holds_one_abi3_extension_with_its_stub(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    extensions = [name for name in names if name.endswith((".so", ".pyd", ".dylib"))]
    assert len(extensions) == 1
    assert "abi3" in extensions[0] or extensions[0].endswith(".pyd")
    assert "abi3" in wheel.name
    assert "antiphon/_native.pyi" in names
    assert "antiphon/py.typed" in names
    assert "antiphon/emulator/scenarios/burst-then-stall.toml" in names
    assert "antiphon/emulator/http/inspect.html" in names
    of_tests = {name for name in names if "test" in name.lower()}
    assert of_tests == {"antiphon/pytest_plugin.py"}


def test_the_command_runs(elsewhere):
    assert run(elsewhere, "antiphon", "--version").startswith("antiphon ")


def test_the_scenarios_are_there(elsewhere):
    listed = run(elsewhere, "antiphon", "emulator", "--scenario", "list")
    assert "burst-then-stall" in listed


def test_pytest_will_find_the_plugin(elsewhere):
    code = "from importlib.metadata import entry_points; print(*entry_points(group='pytest11'))"
    assert "antiphon.pytest_plugin" in run(elsewhere, "python", "-c", code)


def test_a_text_turn_against_the_local_server(elsewhere):
    assert len(run(elsewhere, "python", "-c", TEXT_TURN)) > 10
