import pytest


@pytest.fixture(autouse=True)
def journals(tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    monkeypatch.setenv("SENDBLUE_DATA_JOURNAL", str(folder))
    return folder
