"""The tests of the built wheel are run by `make test-wheel`, which names its folder."""


def pytest_addoption(parser):
    parser.addoption("--wheel-dir", default=None, help="folder with the one wheel to test")
