"""The login of our own Prefect servers: where it is, who finds it, and that it is nowhere else."""

from __future__ import annotations

import json
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.server import processes
from flows.server.login import LOGIN_FILE, OF_CLIENT, OF_SERVER, login_for
from flows.server.prefect import SERVER, free_port, start_server
from tasks.mail.config.state_dir import state_home
from tasks.mail.model.errors import ConfigError
from tests.prefect.records import SOCKETS_LEFT_OPEN, places_of
from tests.support.command.run import mail_loop, without_prefect
from tests.support.first_start import FirstStart

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

MADE = re.compile(r"admin:[0-9a-f]{32}")


def version(url: str, login: str | None) -> int:
    """The status of what the server tells to those alone who have its login."""
    user, _, password = (login or "").partition(":")
    return httpx.get(f"{url}/version", auth=(user, password) if login else None).status_code


def test_it_is_random_and_in_a_file_for_this_user_alone(deployed: str, home: Path) -> None:
    login = (home / LOGIN_FILE).read_text(encoding="utf-8")
    assert MADE.fullmatch(login)
    assert stat.S_IMODE((home / LOGIN_FILE).stat().st_mode) == 0o600
    assert (version(deployed, login), version(deployed, None), version(deployed, "admin:wrong")) == (200, 401, 401)


def test_no_log_record_or_command_line_has_it(deployed: str, home: Path) -> None:
    """Neither in clear nor in base64: the file is the one place."""
    login = (home / LOGIN_FILE).read_text(encoding="utf-8")
    assert {processes.environment(found).get(OF_CLIENT) for found in running(home)} == {login}
    assert places_of(login.partition(":")[2], home) == [LOGIN_FILE]
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert any(b"flows.prefect_server" in line for line in lines)
    assert [line for line in lines if login.partition(":")[2].encode() in line] == []


def running(home: Path) -> list[processes.Background]:
    return [found for name in ("server", "worker") if (found := processes.running(home, name)) is not None]


@pytest.mark.parametrize(
    ("host", "arguments"), [("127.0.0.1", ("history",)), ("localhost", ("alerts", "show")), ("127.0.0.1", ("setup",))]
)
async def test_a_command_finds_it_from_any_folder(
    deployed: str, tmp_path: Path, host: str, arguments: tuple[str, ...]
) -> None:
    """By whatever name of this machine, as the next test but one tells."""
    env = without_prefect(PREFECT_API_URL=deployed.replace("127.0.0.1", host), DO_NOT_TRACK="1")
    ended = await mail_loop(*arguments, env=env, folder=tmp_path)
    assert ended.code == 0, ended


async def test_one_that_is_configured_goes_before_it(deployed: str, tmp_path: Path) -> None:
    env = without_prefect(PREFECT_API_URL=deployed, PREFECT_API_AUTH_STRING="admin:wrong")
    ended = await mail_loop("history", env=env, folder=tmp_path)
    assert ended.code == 3
    assert deployed in ended.err


def test_it_is_given_to_the_server_itself_and_to_nobody_else(deployed: str, home: Path) -> None:
    login, port = (home / LOGIN_FILE).read_text(encoding="utf-8"), httpx.URL(deployed).port
    for url in (deployed, f"http://localhost:{port}/api", f"http://LOCALHOST:{port}", f"http://127.0.0.1:{port}/api/"):
        assert login_for(url) == login, url
    for url in (
        f"http://evil.test:{port}/api",
        f"https://127.0.0.1:{port}/api",
        f"http://127.0.0.1:{port}@evil.test/api",
        f"http://evil.test#@127.0.0.1:{port}/api",
        f"http://127.0.0.1.evil.test:{port}/api",
        f"http://127.0.0.1:{free_port()}/api",
        "http://127.0.0.1/api",
        "http://127.0.0.1:many/api",
        "",
    ):
        assert login_for(url) is None, url


@pytest.mark.long
def test_what_listens_there_once_the_server_has_ended_gets_nothing(own: Path) -> None:
    """Whoever takes its port is not it; and the list of servers, for this user alone, forgets it."""
    port = free_port()
    url = start_server(own, port)
    try:
        login = (own / LOGIN_FILE).read_text(encoding="utf-8")
        assert login_for(url) == login
    finally:
        processes.stop(own, SERVER)
    assert login_for(url) is None
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        assert login_for(url) is None
    start_server(own, other := free_port())
    kept = state_home() / "servers.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert str(port) not in (found := json.loads(kept.read_text(encoding="utf-8")))
    assert found[str(other)] == {"home": str(own), "name": SERVER}


@pytest.mark.parametrize("content", ["", "[]", "no JSON", '{"4200": 1}', '{"4200": {"home": 1}}', "\x00"])
def test_a_damaged_list_of_servers_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "mail-loop").mkdir()
    (tmp_path / "mail-loop" / "servers.json").write_text(content, encoding="utf-8")
    assert login_for("http://127.0.0.1:4200/api") is None


@pytest.fixture
def own(first_start: FirstStart, tmp_path: Path) -> Iterator[Path]:
    """A home for servers of the test's own."""
    home = first_start(tmp_path / "own")
    yield home
    processes.stop(home, SERVER)


@pytest.mark.long
def test_one_that_the_environment_sets_is_used_as_it_is(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And kept, so that commands find it; the next start keeps to it.

    Its hosts and origins are let in, too: those of a proxy in front of it.
    """
    monkeypatch.setenv(OF_SERVER, "ops:chosen by hand")
    monkeypatch.setenv("MAIL_LOOP_TRUSTED_HOSTS", "mail-loop.example.org")
    monkeypatch.setenv("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "https://mail-loop.example.org")
    url = start_server(own, free_port())
    assert (version(url, "ops:chosen by hand"), version(url, None)) == (200, 401)
    by_name = {"Host": "mail-loop.example.org", "Origin": "https://mail-loop.example.org"}
    answer = httpx.get(f"{url}/health", headers=by_name)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, by_name["Origin"])
    assert httpx.get(f"{url}/health").status_code == 200
    assert httpx.get(f"{url}/health", headers={"Host": "evil.test"}).status_code == 400
    monkeypatch.delenv(OF_SERVER)
    assert login_for(url) == "ops:chosen by hand"
    assert stat.S_IMODE((own / LOGIN_FILE).stat().st_mode) == 0o600
    processes.stop(own, SERVER)
    assert version(start_server(own, free_port()), "ops:chosen by hand") == 200


def test_one_that_cannot_be_typed_is_refused_in_a_sentence(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OF_SERVER, "ops:with a line break\n")
    with pytest.raises(ConfigError, match=f"^{OF_SERVER}: has a line break or another character that cannot be typed"):
        start_server(own, free_port())


@pytest.mark.long
def test_a_file_that_lies_in_the_place_of_the_login_is_not_followed(own: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (own / LOGIN_FILE).symlink_to(tmp_path / "elsewhere")
    url = start_server(own, free_port())
    login = (own / LOGIN_FILE).read_text(encoding="utf-8")
    assert (version(url, None), version(url, login)) == (401, 200)
    assert not (own / LOGIN_FILE).is_symlink()
    assert (tmp_path / "elsewhere").read_text(encoding="utf-8") == ""
