import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record", action="store_true", help="record the cassettes again, against a sandbox (make cassettes)"
    )
