"""Files as they are found on disks: large, binary, unreadable, named as nobody should."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import sys

import pytest

from immutable import InvalidValue
from immutable.scanning import Document, Exceptions, Most, Verdict, scanned, scanned_tree, worker
from immutable.scanning import scanner as scanner_module
from immutable.scanning.finding import NOT_INSTALLED

SECRET = "Tq7wZ" + "p2LxV9c"


def scan(place, exceptions=None, **most):
    return asyncio.run(scanned_tree(place, exceptions, most=Most(**most) if most else None))


@pytest.fixture
def tree(tmp_path):
    place = tmp_path / "web"
    (place / "etc").mkdir(parents=True)
    (place / "etc" / "web.env").write_text(f"LEVEL=info\nDB_PASSWORD={SECRET}\n")
    (place / "app.py").write_text("print('ready')\n")
    return place


def test_a_finding_tells_file_line_and_rule_and_never_the_secret(tree):
    report = scan(tree)
    (finding,) = report.findings
    assert str(finding) == "etc/web.env:2: named like a secret"
    assert str(report) == "1 secret found in 2 files"
    assert report.verdict is Verdict.FOUND
    assert SECRET not in repr(report)


def test_a_clean_tree_is_clean_and_one_file_can_be_asked_about(tree):
    (tree / "etc" / "web.env").write_text("DB_PASSWORD=vault://kv/web#password\n")
    report = scan(tree)
    assert (report.verdict, report.documents) == (Verdict.CLEAN, 2)
    assert scan(tree / "app.py").verdict is Verdict.CLEAN


def test_what_is_too_large_is_listed_and_the_verdict_is_not_clean(tree):
    (tree / "etc" / "web.env").unlink()
    (tree / "disk.img").write_bytes(bytes(3 << 20))
    report = scan(tree)
    assert report.verdict is Verdict.PARTLY
    assert [str(each) for each in report.skipped] == ["disk.img: too large, 3.0 MiB; 1 at most"]
    assert str(report) == "partly scanned: nothing in 1 file, 1 file skipped"
    together = scan(tree, file=4 << 20, tree=3 << 20)
    assert [each.reason for each in together.skipped] == ["more than 3 MiB come before it"]


def test_a_bomb_makes_it_partly_scanned(tree):
    import gzip

    (tree / "etc" / "web.env").unlink()
    (tree / "logs.gz").write_bytes(gzip.compress(bytes(50 << 20)))
    (skipped,) = scan(tree).skipped
    assert "logs.gz: its gzip expands to more than 8 MiB" in str(skipped)


def test_links_are_not_followed_and_those_that_lead_out_are_told(tree, tmp_path):
    (tmp_path / "secret.env").write_text(f"DB_PASSWORD={SECRET}\n")
    (tree / "etc" / "web.env").unlink()
    (tree / "inside").symlink_to("app.py")
    (tree / "folder").symlink_to("etc")
    (tree / "loop").symlink_to("loop")
    (tree / "outside").symlink_to(tmp_path / "secret.env")
    report = scan(tree)
    assert [each.name for each in report.skipped] == ["outside"]
    assert "leads out of the tree" in report.skipped[0].reason


def test_the_place_itself_may_be_a_link(tree, tmp_path):
    (tmp_path / "current").symlink_to(tree)
    assert scan(tmp_path / "current").verdict is Verdict.FOUND


def test_what_can_not_be_read_is_listed(tree, monkeypatch):
    opened = os.open

    def refused(path, *rest, **named):
        if str(path).endswith("app.py"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *rest, **named)

    monkeypatch.setattr(os, "open", refused)
    (tree / "etc" / "web.env").unlink()
    os.mkfifo(tree / "queue")
    assert [str(each) for each in scan(tree).skipped] == [
        "app.py: can't be read: Permission denied",
        "queue: neither a file nor a directory",
    ]


def test_names_are_shown_so_that_they_do_no_harm(tree):
    (tree / "etc" / "web.env").unlink()
    text = f"DB_PASSWORD={SECRET}\n"
    (tree / "größe.env").write_text(text)
    (tree / "red\x1b[31m.env").write_text(text)
    (tree / os.fsdecode(b"\xff.env")).write_text(text)
    names = [each.name for each in scan(tree).findings]
    assert sorted(names) == ["\\udcff.env", "größe.env", "red\\x1b[31m.env"]
    "".join(names).encode()


def test_what_git_keeps_and_caches_are_left_out(tree):
    (tree / "etc" / "web.env").rename(tree / "app.env")
    for name in (".git", "__pycache__"):
        (tree / name).mkdir()
        (tree / name / "config").write_text(f"password = {SECRET}\n")
    assert [each.name for each in scan(tree).findings] == ["app.env"]


def test_a_directory_without_files_is_not_called_clean(tmp_path):
    (tmp_path / "empty").mkdir()
    report = scan(tmp_path)
    assert report.verdict is Verdict.NOT_SCANNED
    assert str(report).startswith("not scanned for secrets: there is no file in ")


def test_nothing_at_a_place_is_an_error_that_says_so(tmp_path):
    with pytest.raises(InvalidValue, match=r"none.*nothing is there; name a directory"):
        scan(tmp_path / "none")


# -- exceptions -----------------------------------------------------------------------------------


def excepting(tmp_path, text):
    file = tmp_path / "exceptions.toml"
    file.write_text(text)
    return Exceptions.load(file)


def test_what_somebody_has_answered_for_is_told_and_no_finding(tree, tmp_path):
    (finding,) = scan(tree).findings
    (tree / "noise.bin").write_bytes(bytes(2 << 20))
    text = f"""
        [[allow]]
        fingerprint = "{finding.fingerprint}"
        reason = "the sandbox's, public"
        [[skip]]
        path = "*.bin"
        reason = "noise"
    """
    report = scan(tree, excepting(tmp_path, text))
    assert report.verdict is Verdict.CLEAN
    assert [str(each) for each in report.excused] == [
        "etc/web.env:2: named like a secret: allowed, the sandbox's, public",
        "noise.bin: allowed, noise",
    ]
    (tree / "etc" / "web.env").write_text(f"DB_PASSWORD={SECRET}-2\n")
    assert scan(tree, excepting(tmp_path, text)).verdict is Verdict.FOUND


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[allow]]\nfingerprint = '00000000000000000000'\n", "not fingerprint and reason"),
        ("[[allow]]\nfingerprint = 'x'\nreason = 'y'\n", "no fingerprint: 'x'"),
        ("[[skip]]\npath = '*'\nreason = ' '\n", "an empty path or reason"),
        ("[[skip]]\npath = 1\nreason = 'y'\n", "an empty path or reason"),
        ("allow = 3\n", "not fingerprint and reason"),
        ("[rules]\n", "unknown: rules"),
        ("{", "not TOML"),
    ],
)
def test_an_exception_without_its_reason_is_refused(tmp_path, text, reason):
    with pytest.raises(InvalidValue, match=reason):
        excepting(tmp_path, text)


def test_a_file_of_exceptions_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidValue, match="No such file"):
        Exceptions.load(tmp_path / "none.toml")


# -- the process that looks -----------------------------------------------------------------------


def test_without_the_extra_nothing_is_called_clean(tree, monkeypatch):
    monkeypatch.setattr(scanner_module, "installed", lambda: False)
    report = scan(tree)
    assert (report.verdict, report.documents) == (Verdict.NOT_SCANNED, 0)
    assert str(report) == NOT_INSTALLED == "not scanned for secrets: install immutable-sdk[scan]"


def test_a_process_that_takes_too_long_is_ended_and_the_next_document_looked_at(monkeypatch):
    real = scanner_module._Process.answer
    slow = [Document("slow", b"x"), Document("web.env", f"DB_PASSWORD={SECRET}\n".encode())]

    def answer(self, patience):
        # The first answer says that it is ready; the first document's never comes in time.
        self.count = getattr(self, "count", 0) + 1
        if self.count == 2 and not ended:
            ended.append(self)
            return None
        return real(self, patience)

    ended = []
    monkeypatch.setattr(scanner_module._Process, "answer", answer)
    report = asyncio.run(scanned(slow))
    assert [str(each) for each in report.skipped] == [
        "slow: looking at it took longer than 60 s, or failed"
    ]
    assert [str(each) for each in report.findings] == ["web.env:1: named like a secret"]
    assert ended[0]._popen.returncode is not None


def test_nothing_is_left_of_the_process_when_whoever_waits_is_cancelled(monkeypatch):
    started = []
    real = scanner_module._Process.__init__

    def begin(self):
        real(self)
        started.append(self)

    monkeypatch.setattr(scanner_module._Process, "__init__", begin)

    async def main():
        endless = (Document(f"{n}", b"x" * 1000) for n in range(10**9))
        working = asyncio.ensure_future(scanned(endless))
        while not started:
            await asyncio.sleep(0.01)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    asyncio.run(main())
    assert [each._popen.returncode is not None for each in started] == [True] * len(started)


def test_nothing_is_imported_from_the_directory_that_is_scanned(tree, monkeypatch):
    (tree / "detect_secrets.py").write_text("raise SystemExit('taken over')\n")
    monkeypatch.chdir(tree)
    assert scan(tree).verdict is Verdict.FOUND


def test_the_process_that_looks_answers_a_line_each_way(monkeypatch, capsys):
    asked = {"name": "a.env", "data": base64.b64encode(b"LEVEL=info\n").decode()}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked) + "\n"))
    worker.main()
    ready, answer = capsys.readouterr().out.splitlines()
    assert json.loads(ready) == {}
    assert json.loads(answer) == {"findings": [], "skipped": ""}


def test_an_error_of_the_looking_is_told_by_its_name_only(monkeypatch):
    def broken(_):
        raise RuntimeError("what was read")

    monkeypatch.setattr(worker, "look", broken)
    told = worker.answer({"name": "a", "data": ""})
    assert told["skipped"] == "it could not be looked at (RuntimeError)"
