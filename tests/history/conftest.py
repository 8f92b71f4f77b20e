"""What the tests of histories share."""

import os

import pytest


@pytest.fixture
def open_umask():
    """Let the process make files that everybody may read and write: what is private may not owe it to the mask."""
    mask = os.umask(0)
    yield
    os.umask(mask)
