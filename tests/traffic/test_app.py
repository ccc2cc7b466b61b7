"""The sample application, as a process and over its socket."""

import hashlib
import signal
import socket
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

WEBAPP = Path(__file__).parents[2] / "examples" / "webapp"


def ask(connection: HTTPConnection, path: str, method: str = "GET", **more):
    """Return the answer and its body; http.client raises when it is not complete."""
    connection.request(method, path, **more)
    answer = connection.getresponse()
    return answer, answer.read()


def get(running, path: str) -> tuple[HTTPResponse, bytes]:
    with closing(running.connect()) as connection:
        return ask(connection, path)


def raw(running, request: bytes) -> bytes:
    """Return all that is sent back until the other side closes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_image_says_how_to_start_it_and_where_its_health_is() -> None:
    told = tomllib.loads((WEBAPP / "immutable.toml").read_text())
    assert told == {
        "name": "web",
        "version": "1",
        "command": ["python3", "-I", "-S", "app.py"],
        "health": "/healthz",
    }


def test_health_names_the_instance(start) -> None:
    answer, body = get(start(IMMUTABLE_ID="web-7-x").listening(), "/healthz")
    assert answer.status == 200
    assert answer.headers["Immutable-Instance"] == "web-7-x"
    assert b"web-7-x" in body


def test_the_front_page_names_version_instance_and_revision(start) -> None:
    running = start(APP_VERSION="2.5", IMMUTABLE_REVISION="7").listening()
    answer, body = get(running, "/")
    assert (answer.status, answer.headers["X-Version"]) == (200, "2.5")
    assert answer.headers["Immutable-Instance"] == "web-1-a"
    assert body == b"version 2.5, instance web-1-a, revision 7\n"


@pytest.mark.parametrize("chunked", [False, True])
def test_an_echo_is_of_the_whole_body(start, chunked) -> None:
    sent = bytes(range(256)) * 256
    body = iter([sent[:1000], sent[1000:]]) if chunked else sent
    with closing(start().listening().connect()) as connection:
        answer, heard = ask(connection, "/echo", "POST", body=body, encode_chunked=chunked)
        assert answer.status == 200
        assert heard.decode().split() == ["65536", hashlib.sha256(sent).hexdigest()]
        assert ask(connection, "/")[0].status == 200  # Nothing of the body was left behind.


def test_a_slow_answer_takes_the_time_that_was_asked_for(start) -> None:
    running = start().listening()
    begun = time.monotonic()
    answer, _ = get(running, "/slow?s=0.3")
    assert answer.status == 200
    assert time.monotonic() - begun >= 0.3


def test_a_stream_is_chunked_and_ends_with_its_last_line(start) -> None:
    answer, body = get(start(APP_VERSION="3").listening(), "/stream?s=0.75")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert body == b"0 3\n1 3\n2 3\nend\n"


def test_an_answer_says_which_request_it_is_to(start) -> None:
    with closing(start().listening().connect()) as connection:
        for path in ("/", "/stream?s=0", "/nowhere"):
            answer, _ = ask(connection, path, headers={"X-Request": path})
            assert answer.headers["X-Request"] == path


def test_a_connection_is_kept_unless_the_client_wants_it_closed(start) -> None:
    with closing(start().listening().connect()) as connection:
        first = connection.sock
        for path in ("/", "/healthz", "/stream?s=0", "/nowhere", "/"):
            answer, _ = ask(connection, path)
            assert not answer.will_close
            assert connection.sock is first
        answer, _ = ask(connection, "/", headers={"Connection": "close"})
        assert answer.will_close
        assert first.fileno() == -1 or first.recv(1) == b""


def test_http_1_0_is_answered_and_closed(start) -> None:
    running = start().listening()
    answer = raw(running, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert raw(running, b"GET /stream?s=0 HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n0 1\nend\n")


def test_requests_in_a_row_are_answered_in_a_row(start) -> None:
    one = b"GET / HTTP/1.1\r\nX-Request: %d\r\n%s\r\n"
    answers = raw(start().listening(), one % (1, b"") + one % (2, b"Connection: close\r\n"))
    assert answers.index(b"X-Request: 1") < answers.index(b"X-Request: 2")


def test_a_client_that_asks_may_go_on_sending(start) -> None:
    head = b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
    answer = raw(start().listening(), head + b"Connection: close\r\n\r\nhi")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_a_body_may_have_trailers(start) -> None:
    head = b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = raw(start().listening(), head + b"2;note=x\r\nhi\r\n0\r\nSum: 1\r\n\r\n")
    assert b"\r\n\r\n2 8f434346648f6b96" in answer


@pytest.mark.parametrize(
    ("request_", "status", "why"),
    [
        (b"GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n", 404, b"no /nowhere"),
        (b"PUT /echo HTTP/1.1\r\nConnection: close\r\n\r\n", 405, b"/echo takes POST"),
        (b"GET /slow?s=x HTTP/1.1\r\n\r\n", 400, b"s=x"),
        (b"GET /slow?s=61 HTTP/1.1\r\n\r\n", 400, b"s=61"),
        (b"GET /stream?s=nan HTTP/1.1\r\n\r\n", 400, b"s=nan"),
        (b"hello\r\n\r\n", 400, b"no HTTP request"),
        (b"GET / HTTP/2.0\r\n\r\n", 400, b"HTTP/2.0"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, b"no HTTP request"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70000 + b"\r\n\r\n", 400, b"too long"),
        (
            b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            b"both",
        ),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400, b"gzip"),
        (b"POST /echo HTTP/1.1\r\nContent-Length: -3\r\n\r\n", 400, b"'-3'"),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413, b"more than"),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, b"'zz'"),
        (
            b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r",
            400,
            b"longer than it says",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_said_in_the_answer(start, request_, status, why) -> None:
    answer = raw(start().listening(), request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert why in answer


def test_errors_on_purpose_are_as_many_as_wanted(start) -> None:
    running = start(APP_ERROR_RATE="0.25").listening()
    with closing(running.connect()) as connection:
        statuses = [ask(connection, "/")[0].status for _ in range(8)]
        assert statuses == [200, 200, 200, 500, 200, 200, 200, 500]
        assert ask(connection, "/healthz")[0].status == 200


def test_an_unhealthy_instance_serves_but_says_so(start) -> None:
    running = start(APP_HEALTHY="0").listening()
    answer, body = get(running, "/healthz")
    assert (answer.status, body) == (503, b"unhealthy web-1-a\n")
    assert get(running, "/")[0].status == 200


def test_latency_is_added_to_the_front_page(start) -> None:
    running = start(APP_LATENCY="0.2").listening()
    begun = time.monotonic()
    assert get(running, "/")[0].status == 200
    assert time.monotonic() - begun >= 0.2


def test_the_version_is_the_files_unless_the_environment_says_otherwise(start, tmp_path) -> None:
    app = tmp_path / "app.py"
    app.write_bytes((WEBAPP / "app.py").read_bytes())
    (tmp_path / "VERSION").write_text("42\n")
    assert get(start(app).listening(), "/")[0].headers["X-Version"] == "42"
    assert get(start(app, APP_VERSION="43").listening(), "/")[0].headers["X-Version"] == "43"
    assert get(start().listening(), "/")[0].headers["X-Version"] == "1"
    assert {path.name for path in tmp_path.iterdir()} == {"app.py", "VERSION"}  # It wrote none.


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_nothing_listens_before_the_start_delay_is_over(start) -> None:
    port = free_port()
    running = start(PORT=str(port), APP_START_DELAY="0.5")
    begun = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert get(running.listening(), "/")[0].status == 200
    assert running.port == port
    assert time.monotonic() - begun >= 0.5


def test_it_can_be_ended_before_it_listens(start) -> None:
    running = start(APP_START_DELAY="60")
    # Its handlers are there when they are the process's: bit 15 of SigCgt is SIGTERM's.
    status = Path(f"/proc/{running.process.pid}/status")
    while not int(status.read_text().split("SigCgt:")[1].split()[0], 16) & 1 << 14:
        time.sleep(0.01)
    running.process.terminate()
    assert running.end() == (0, "")


@pytest.mark.parametrize(
    "environ", [{"PORT": "web"}, {"APP_ERROR_RATE": "1.5"}, {"APP_LATENCY": "nan"}]
)
def test_a_setting_that_makes_no_sense_is_named(start, environ) -> None:
    code, errors = start(**environ).end()
    (name, value) = environ.popitem()
    assert code == 1
    assert errors.startswith(f"{name}={value!r} is no number")


def test_a_port_that_is_taken_is_named(start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, errors = start(PORT=str(port)).end()
    assert code == 1
    assert f"can't listen on 127.0.0.1 port {port}" in errors


# -- its end ---------------------------------------------------------------------------------------


def cycle(connection: HTTPConnection) -> int:
    """Ask again and again until the server announces that it closes; return how often."""
    count = 0
    while True:
        answer, _ = ask(connection, "/")
        assert answer.status == 200
        count += 1
        if answer.will_close:
            return count
        time.sleep(0.005)


def test_requests_in_flight_are_finished_after_sigterm(start) -> None:
    running = start().listening()
    connections = [running.connect() for _ in range(9)]
    for connection in connections:
        ask(connection, "/")  # All are accepted and were used.
    *_, upload, idle = connections
    with ThreadPoolExecutor(7) as pool:
        slow = [pool.submit(ask, each, "/slow?s=1.5") for each in connections[:2]]
        streams = [pool.submit(ask, each, "/stream?s=2") for each in connections[2:4]]
        cycles = [pool.submit(cycle, each) for each in connections[4:7]]
        upload.putrequest("POST", "/echo")
        upload.putheader("Content-Length", "10")
        upload.endheaders(b"12345")
        time.sleep(0.4)
        running.process.terminate()
        time.sleep(0.4)
        with pytest.raises(ConnectionRefusedError):
            running.connect()
        assert idle.sock.recv(1) == b""
        upload.send(b"67890")
        answer = upload.getresponse()
        assert (answer.status, answer.read().split()[0]) == (200, b"10")
        assert answer.will_close
        for each in slow:
            answer, _ = each.result()
            assert answer.status == 200
            assert answer.will_close
        for each in streams:
            answer, body = each.result()
            assert body.endswith(b"7 1\nend\n")
        assert all(each.result() > 1 for each in cycles)
    assert running.end() == (0, "")
    for connection in connections:
        connection.close()


def test_what_was_on_its_way_when_sigterm_came_is_answered(start) -> None:
    running = start().listening()
    with closing(running.connect()) as used:
        ask(used, "/")
        running.process.send_signal(signal.SIGSTOP)
        with closing(running.connect()) as new:
            used.request("GET", "/")
            new.request("GET", "/")
            running.process.terminate()
            running.process.send_signal(signal.SIGCONT)
            for connection in (used, new):
                assert connection.getresponse().read().startswith(b"version 1")
    assert running.end() == (0, "")


def test_idle_connections_do_not_keep_it(start) -> None:
    running = start().listening()
    with closing(running.connect()) as used, closing(running.connect()) as unused:
        ask(used, "/")
        running.process.terminate()
        assert running.end() == (0, "")
        assert used.sock.recv(1) == unused.sock.recv(1) == b""


def test_a_second_sigterm_cuts_what_is_in_flight(start) -> None:
    running = start().listening()
    with closing(running.connect()) as connection:
        connection.request("GET", "/stream?s=60")
        answer = connection.getresponse()
        running.process.terminate()
        time.sleep(0.2)
        assert running.process.poll() is None
        running.process.terminate()
        assert running.end() == (1, "")
        answer.close()


def patched(assignment: str) -> str:
    """Return a program that is the application with one of its constants changed."""
    return f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("app", {str(WEBAPP / "app.py")!r})
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)
app.{assignment}
sys.exit(app.main())
"""


def test_an_idle_connection_may_be_used_once_more_within_the_linger(start) -> None:
    running = start(code=patched("LINGER = 1.5")).listening()
    with closing(running.connect()) as connection:
        ask(connection, "/")
        time.sleep(1.6)  # However long it was idle before the end began.
        running.process.terminate()
        time.sleep(0.5)
        answer, _ = ask(connection, "/")
        assert answer.status == 200
        assert answer.will_close
    assert running.end() == (0, "")


def test_it_does_not_wait_for_ever(start) -> None:
    running = start(code=patched("GRACE = 0.5")).listening()
    with closing(running.connect()) as connection:
        connection.sock.sendall(b"GET / HTTP/1.1\r\n")  # And never the rest.
        get(running, "/")
        running.process.terminate()
        assert running.end() == (1, "")


def test_it_lives_on_when_nobody_reads_its_output(start) -> None:
    running = start().listening()
    running.process.stdout.close()
    with closing(running.connect()) as connection:
        connection.request("GET", "/stream?s=60")
        connection.getresponse().close()
        running.process.terminate()
        time.sleep(0.2)
        running.process.terminate()
        assert running.process.wait(timeout=20) == 1  # It said so, to nobody.
