"""An env file: read, never run, and none of its values in a message."""

import traceback

import pytest

from sendblue_data import SendblueClient
from sendblue_data._api.environment import read_env_file
from sendblue_data.errors import ConfigurationError

SECRET = "made-up-secret-0123456789"


@pytest.fixture
def env(tmp_path, monkeypatch):
    for name in ("SENDBLUE_API_API_KEY", "SENDBLUE_API_API_SECRET", "SENDBLUE_API_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def write(text, mode=0o600):
        file = tmp_path / "sendblue.env"
        file.write_text(text)
        file.chmod(mode)
        return file

    return write


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("SENDBLUE_API_API_KEY=a b", "a b"),
        ("  export SENDBLUE_API_API_KEY = 'a # b'  # ours", "a # b"),
        ('SENDBLUE_API_API_KEY="$(rm -rf /)"', "$(rm -rf /)"),
        ("SENDBLUE_API_API_KEY=a#b # c", "a#b"),
        ("OTHER=1\n# SENDBLUE_API_API_KEY=no\nSENDBLUE_API_API_KEY=yes\n", "yes"),
    ],
)
def test_a_line_is_read_as_shells_write_it_and_nothing_is_expanded(env, line, value):
    assert read_env_file(env(line)) == {"SENDBLUE_API_API_KEY": value}
    assert value not in repr(read_env_file(env(line)))


def test_a_client_takes_what_the_file_has_and_the_rest_from_the_environment(env, monkeypatch):
    file = env(f"SENDBLUE_API_API_KEY=made-up\nSENDBLUE_API_API_SECRET={SECRET}\n")
    monkeypatch.setenv("SENDBLUE_API_API_KEY", "another")
    monkeypatch.setenv("SENDBLUE_API_BASE_URL", "https://api.example.com")
    with SendblueClient.from_env(file, retries=0) as client:
        assert client.base_url == "https://api.example.com"
        of_file = client.account
    monkeypatch.setenv("SENDBLUE_API_API_SECRET", SECRET)
    with SendblueClient.from_env() as client:
        assert client.account != of_file


@pytest.mark.parametrize(
    "text",
    [
        f"SENDBLUE_API_API_SECRET='{SECRET}",
        f"SENDBLUE_API_API_SECRET={SECRET}\nSENDBLUE_API_API_SECRET={SECRET}",
        f"SECRET={SECRET}",
        "",
    ],
)
def test_what_can_t_be_read_is_refused_without_a_value(env, text):
    with pytest.raises(ConfigurationError) as refused:
        read_env_file(env(text))
    assert "made-up" not in str(refused.value)
    told = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
    # pytest's own frames hold the text that this test wrote.
    frames = [frame for frame in told.stack if "sendblue_data" in frame.filename]
    assert len(frames) >= 1
    assert not [frame for frame in frames if "made-up" in str(frame.locals)]


def test_a_file_that_is_missing_or_open_to_others_is_told(env, tmp_path):
    with pytest.raises(ConfigurationError, match="can't be read"):
        SendblueClient.from_env(tmp_path / "no-such.env")
    with pytest.warns(UserWarning, match="chmod 600"):
        read_env_file(env("SENDBLUE_API_API_KEY=a", 0o644))
