"""Images: the same content is the same image, and nothing else ever is."""

import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from immutable.backend import CapacityShortage, Denied, Gone, Invalid
from immutable_local import trees
from immutable_local.disk import locked
from immutable_local.images import ImageStore
from immutable_local.trees import Entry, stays_inside

FILES = {"app.sh": "echo hello", "lib/b.py": "b = 1", "lib/a.py": "a = 1", "données/é.txt": "é"}


def content(store: ImageStore) -> dict[str, bytes]:
    """All blobs and the index, which are all that an image consists of."""
    kept = [*(store.root / "blobs").rglob("*"), store.root / "index.json"]
    return {str(p.relative_to(store.root)): p.read_bytes() for p in kept if p.is_file()}


def target(link: Path) -> str:
    return os.readlink(link)  # noqa: PTH115 - Path.readlink() would tidy it up.


def tree_of(root: Path) -> dict[str, tuple[int, bytes | str]]:
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            found[str(path.relative_to(root))] = (0, target(path))
        else:
            data = path.read_bytes() if path.is_file() else b""
            found[str(path.relative_to(root))] = (stat.S_IMODE(status.st_mode), data)
    return found


def leftovers(store: ImageStore) -> list[str]:
    return [str(p) for p in store.root.rglob(".*")] if store.root.exists() else []


# -- packing ---------------------------------------------------------------------------------------


def test_equal_content_gives_equal_bytes_wherever_whenever_and_by_whomever(
    tmp_path, make_directory
):
    first = make_directory(FILES)
    second = tmp_path / "elsewhere" / "deeper"
    second.mkdir(parents=True)
    old = os.umask(0o077)
    try:
        for path in reversed(["immutable.toml", *FILES]):
            (second / path).parent.mkdir(exist_ok=True)
            (second / path).write_bytes((first / path).read_bytes())
    finally:
        os.umask(old)
    os.utime(second / "app.sh", (1, 1))
    (second / "lib").chmod(0o750)
    (second / "__pycache__").mkdir()
    (second / "__pycache__" / "x.pyc").write_text("cached")
    (second / ".git").mkdir()
    (second / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (second / "lib" / ".git").write_text("gitdir: elsewhere")
    stores = ImageStore(tmp_path / "a"), ImageStore(tmp_path / "b")

    packed = [store.pack(folder) for store, folder in zip(stores, (first, second), strict=True)]

    assert packed[0].digest == packed[1].digest
    assert content(stores[0]) == content(stores[1])
    assert stores[0].pack(first).digest == packed[0].digest


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "app.sh").write_text("echo hellO"),
        lambda folder: (folder / "app.sh").chmod(0o755),
        lambda folder: (folder / "app.sh").rename(folder / "App.sh"),
        lambda folder: (folder / "empty").mkdir(),
        lambda folder: (folder / "link").symlink_to("app.sh"),
        lambda folder: (folder / "immutable.toml").write_text(
            (folder / "immutable.toml").read_text() + '\nhealth = "/up"'
        ),
    ],
    ids=["content", "mode", "name", "directory", "link", "recipe"],
)
def test_any_change_gives_another_digest(store, make_directory, change):
    folder = make_directory(FILES)
    before = store.pack(folder)

    change(folder)

    assert store.pack(folder).digest != before.digest


def test_an_image_is_what_its_recipe_says(store, make_directory):
    folder = make_directory(
        FILES,
        command=["python3", "server.py"],
        health="/up",
        environment={"B": "2", "A": "1"},
        stop_signal="SIGINT",
    )

    image = store.pack(folder, version="2.0")

    assert (image.name, image.version, image.command) == ("web", "2.0", ("python3", "server.py"))
    assert (image.health, image.stop_signal, image.rootfs) == ("/up", "SIGINT", False)
    assert dict(image.environment) == {"A": "1", "B": "2"}
    assert image.size == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert image.root == store.root / "store" / image.digest.removeprefix("sha256:")
    assert str(image).startswith("web:2.0 (sha256:")


def test_a_recipe_has_defaults(store, make_directory):
    image = store.pack(make_directory())

    assert (image.health, dict(image.environment)) == ("/healthz", {})
    assert (image.stop_signal, image.rootfs) == ("SIGTERM", False)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", None, "name is missing"),
        ("version", None, "version is missing"),
        ("command", None, "command is missing"),
        ("name", "a b", "not a text of letters"),
        ("name", "sha256", "not a text of letters"),
        ("version", 1, "not a text of letters"),
        ("command", "python3", "not a list"),
        ("command", [], "not a list"),
        ("command", ["a", 1], "not all of it are texts"),
        ("health", "up", "not a path that starts with /"),
        ("environment", {"A": 1}, "not a table of texts"),
        ("environment", {"PORT": "1"}, "PORT is set by the backend"),
        ("environment", {"IMMUTABLE_ID": "1"}, "IMMUTABLE_ID is set by the backend"),
        ("environment", {"A=B": "1"}, "can't be the name of a variable"),
        ("stop_signal", "TERM", "not the name of a signal"),
        ("rootfs", "yes", "neither true nor false"),
        ("heath", "/up", "not a known field"),
    ],
)
def test_a_wrong_field_is_refused_with_file_field_reason_and_way_out(
    store, make_directory, field, value, reason
):
    folder = make_directory(**{field: value})

    with pytest.raises(Invalid) as refusal:
        store.pack(folder)

    message = str(refusal.value)
    assert str(folder / "immutable.toml") in message
    assert field in message
    assert reason in message
    assert "; write " in message or "use one of name, version" in message
    assert not store.root.exists()


def test_a_directory_without_a_readable_recipe_is_refused(store, tmp_path, make_directory):
    with pytest.raises(Invalid, match=r"immutable.toml: there is no such file; write one with"):
        store.pack(tmp_path)
    with pytest.raises(Invalid, match=r"nowhere/immutable.toml: there is no such file"):
        store.pack(tmp_path / "nowhere")
    folder = make_directory()
    (folder / "immutable.toml").write_text("name = ")
    with pytest.raises(Invalid, match=r"immutable.toml: not TOML: Invalid value"):
        store.pack(folder)
    (folder / "immutable.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(Invalid, match=r"immutable.toml: not TOML"):
        store.pack(folder)


def test_what_cannot_be_in_an_image_is_refused_by_name(store, make_directory):
    folder = make_directory()
    os.mkfifo(folder / "pipe")
    with pytest.raises(Invalid, match=r"web/pipe: neither file, directory nor link"):
        store.pack(folder)
    (folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(folder)  # A socket's path is short.
        listener.bind("socket")
        os.chdir("/")
        with pytest.raises(Invalid, match=r"web/socket: neither file, directory nor link"):
            store.pack(folder)
    (folder / "socket").unlink()
    (folder / os.fsdecode(b"\xff")).write_text("")
    with pytest.raises(Invalid, match=r"\\xff'?: the name or target is not UTF-8"):
        store.pack(folder)
    (folder / os.fsdecode(b"\xff")).unlink()
    if os.geteuid() == 0:
        os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        with pytest.raises(Invalid, match=r"web/device: neither file, directory nor link"):
            store.pack(folder)
    assert leftovers(store) == []


def test_links_are_kept_inside_and_refused_when_they_lead_out(store, make_directory):
    folder = make_directory(FILES)
    (folder / "lib/up").symlink_to("../app.sh")
    (folder / "dangling").symlink_to("./not//there/")
    image = store.pack(folder)
    tree = store.unpack(image.digest)
    assert target(tree / "lib/up") == "../app.sh"
    assert target(tree / "dangling") == "./not//there/"
    assert store.verify(image.digest) == ()

    for outside in ("/etc/passwd", "../web2", "lib/../../x", "up-link/../../../x"):
        (folder / "out").symlink_to(outside)
        with pytest.raises(Invalid, match=r"web/out: the link points to .*, out of the image"):
            store.pack(folder)
        (folder / "out").unlink()


def test_a_link_behind_a_link_is_followed_as_the_kernel_does():
    assert not stays_inside("a/b/x", {"a/b/up": "..", "a/b/x": "up/../../y"})
    assert stays_inside("a/b/x", {"a/b/x": "../../y"})
    assert stays_inside("x", {"x": "d/e", "d": "deep/deeper"})
    assert stays_inside("usr/x", {"usr/x": "/bin/sh", "bin": "usr/bin"}, rootfs=True)
    assert not stays_inside("usr/x", {"usr/x": "/../x"}, rootfs=True)
    assert not stays_inside("loop", {"loop": "loop"})


PARTS = st.sampled_from(["a", "b", "..", "."])


@settings(deadline=None, database=None)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c/a", "c/b", "c/d/a", "c/d/b"]),
        st.lists(PARTS, min_size=1, max_size=5).map("/".join),
        min_size=1,
    )
)
def test_a_link_that_is_said_to_stay_inside_does_so_on_disk(tmp_path_factory, links):
    outer = tmp_path_factory.mktemp("outer")
    root = outer / "x" / "y" / "root"
    (root / "c" / "d").mkdir(parents=True)
    for path, target in links.items():
        (root / path).symlink_to(target)
    for path in links:
        try:
            real = (root / path).resolve(strict=True)
        except (OSError, RuntimeError):
            continue  # Dangling or a loop: the kernel leads nowhere.
        assert real.is_relative_to(root) or not stays_inside(path, links)
    shutil.rmtree(outer)


def test_the_store_may_not_lie_in_what_is_packed(make_directory):
    folder = make_directory()

    with pytest.raises(Invalid, match=r"holds the image store .*; keep it elsewhere"):
        ImageStore(folder / ".images").pack(folder)


def test_a_file_that_is_replaced_while_it_is_packed_is_noticed(store, make_directory, monkeypatch):
    folder = make_directory(FILES)
    surveyed = trees.survey

    def replacing(*args, **options):
        found = surveyed(*args, **options)
        (folder / "app.sh").unlink()
        (folder / "app.sh").symlink_to("/etc/passwd")
        return found

    monkeypatch.setattr(trees, "survey", replacing)

    with pytest.raises(Invalid, match=r"app\.sh"):
        store.pack(folder)
    assert leftovers(store) == []
    assert store.images() == ()


# -- the layout ------------------------------------------------------------------------------------


def test_the_store_is_an_oci_layout_whose_every_blob_has_the_name_of_its_checksum(
    store, make_directory
):
    folder = make_directory(FILES, environment={"A": "1"})
    image = store.pack(folder)

    version = json.loads((store.root / "oci-layout").read_bytes())
    index = json.loads((store.root / "index.json").read_bytes())
    assert version == {"imageLayoutVersion": "1.0.0"}
    (described,) = index["manifests"]
    assert described["digest"] == image.digest
    assert described["annotations"]["org.opencontainers.image.ref.name"] == "web:1.0"
    blobs = {p.name: p.read_bytes() for p in (store.root / "blobs/sha256").iterdir()}
    for name, data in blobs.items():
        assert hashlib.sha256(data).hexdigest() == name
    manifest = json.loads(blobs[image.digest[7:]])
    config = json.loads(blobs[manifest["config"]["digest"][7:]])
    assert config["config"]["Cmd"] == ["/bin/sh", "app.sh"]
    assert config["config"]["Env"] == ["A=1"]
    layer = manifest["layers"][0]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]
    assert len(blobs) == 3
    with tarfile.open(store.root / "blobs/sha256" / layer["digest"][7:]) as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert {(m.uid, m.gid, m.mtime, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    assert {m.mode for m in members} == {0o755, 0o644}


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="there is no skopeo on this machine")
def test_skopeo_reads_the_layout(store, make_directory):
    image = store.pack(make_directory(FILES))

    said = subprocess.run(
        ["skopeo", "inspect", "--raw", f"oci:{store.root}:web:1.0"],
        capture_output=True,
        check=True,
    )

    assert f"sha256:{hashlib.sha256(said.stdout).hexdigest()}" == image.digest


def test_a_full_root_gets_the_directories_that_file_systems_are_mounted_on(store, make_directory):
    folder = make_directory({"bin/tool": "x"}, rootfs=True)
    (folder / "bin/sh").symlink_to("/bin/tool")

    image = store.pack(folder)
    tree = store.unpack(image.digest)

    assert image.rootfs
    assert sorted(p.name for p in tree.iterdir()) == [
        *("bin", "dev", "immutable.toml", "proc", "tmp")
    ]
    assert store.verify(image.digest) == ()


# -- unpacking and verifying -----------------------------------------------------------------------


def test_a_tree_is_what_was_packed_without_write_bits_and_times(store, make_directory):
    folder = make_directory(FILES)
    (folder / "app.sh").chmod(0o4775)
    (folder / "lib/link").symlink_to("a.py")

    image = store.pack(folder)
    tree = store.unpack(image.digest)

    found = tree_of(tree)
    expected = tree_of(folder)
    assert {path: data for path, (_, data) in found.items()} == {
        path: data for path, (_, data) in expected.items()
    }
    assert found["app.sh"][0] == 0o555
    assert found["lib/a.py"][0] == 0o444
    assert found["lib"][0] == stat.S_IMODE(tree.stat().st_mode) == 0o555
    assert {p.lstat().st_mtime for p in (tree, *tree.rglob("*"))} == {0}
    assert store.unpack(image.digest) == tree
    assert leftovers(store) == []


def force(path: Path) -> Path:
    """Make a file of a tree writable, as its owner can."""
    path.parent.chmod(0o755)
    if path.exists() and not path.is_symlink():
        path.chmod(0o755)
    return path


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o444)


def replace(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def add_bytecode(path: Path) -> None:
    path.mkdir()
    (path / "a.pyc").write_text("x")


BYTECODE = ("lib/__pycache__", "lib/__pycache__/a.pyc")


@pytest.mark.parametrize(
    ("name", "damage", "expected"),
    [
        ("app.sh", lambda path: rewrite(path, "echo hellO"), ("app.sh",)),
        ("app.sh", lambda path: rewrite(path, "longer than before"), ("app.sh",)),
        ("app.sh", lambda path: path.chmod(0o644), ("app.sh",)),
        ("app.sh", lambda path: path.chmod(0o4444), ("app.sh",)),
        ("app.sh", lambda path: path.unlink(), ("app.sh",)),
        ("app.sh", lambda path: replace(path, "/etc/passwd"), ("app.sh",)),
        ("app.sh", lambda path: (path.unlink(), os.mkfifo(path, 0o444)), ("app.sh",)),
        ("lib/new.py", lambda path: path.write_text("x"), ("lib/new.py",)),
        ("lib/__pycache__", add_bytecode, BYTECODE),
        ("link", lambda path: replace(path, "lib/b.py"), ("link",)),
        ("link", lambda path: (path.unlink(), path.write_text("a = 1")), ("link",)),
        ("lib", shutil.rmtree, ("lib", "lib/a.py", "lib/b.py")),
    ],
    ids=[
        *("changed", "longer", "writable", "setuid", "missing", "replaced", "fifo", "added"),
        *("bytecode", "relinked", "unlinked", "folder"),
    ],
)
def test_verify_names_exactly_what_differs(store, make_directory, name, damage, expected):
    folder = make_directory(FILES)
    (folder / "link").symlink_to("lib/a.py")
    image = store.pack(folder)
    tree = store.unpack(image.digest)
    assert store.verify(image.digest) == ()

    damage(force(tree / name))
    (tree / name).parent.chmod(0o555)

    assert store.verify(image.digest) == expected


def test_verify_notices_a_root_that_can_be_written_and_a_tree_that_is_gone(store, make_directory):
    image = store.pack(make_directory(FILES))
    assert store.verify(image.digest) == (
        *(".", "app.sh", "données", "données/é.txt", "immutable.toml"),
        *("lib", "lib/a.py", "lib/b.py"),
    )
    tree = store.unpack(image.digest)
    tree.chmod(0o755)
    assert store.verify(image.digest) == (".",)


def test_a_damaged_tree_is_replaced_when_asked(store, make_directory):
    image = store.pack(make_directory(FILES))
    tree = store.unpack(image.digest)
    force(tree / "app.sh").write_text("worse")

    assert store.unpack(image.digest) == tree
    assert store.verify(image.digest) != ()
    assert store.unpack(image.digest, anew=True) == tree
    assert store.verify(image.digest) == ()
    assert leftovers(store) == []


@pytest.mark.parametrize("which", ["layer", "config", "manifest"])
@pytest.mark.parametrize("how", ["flipped", "missing"])
def test_a_damaged_blob_is_noticed_before_anything_is_made_of_it(store, make_directory, which, how):
    folder = make_directory(FILES)
    image = store.pack(folder)
    manifest = json.loads((store.root / "blobs/sha256" / image.digest[7:]).read_bytes())
    blob = {
        "layer": manifest["layers"][0]["digest"],
        "config": manifest["config"]["digest"],
        "manifest": image.digest,
    }[which]
    path = store.root / "blobs/sha256" / blob[7:]
    path.chmod(0o644)
    if how == "missing":
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    expected = {"missing": "missing", "flipped": "damaged"}[how]
    with pytest.raises(Invalid, match=rf"blob {blob} is {expected}; .*pack it again"):
        store.unpack(image.digest)

    assert list((store.root / "store").iterdir()) == []
    store.pack(folder)
    store.unpack(image.digest)
    assert store.verify(image.digest) == ()


def crafted(store: ImageStore, entries: list[Entry], members: list[tarfile.TarInfo]) -> str:
    """Put an image into the store whose digests are right and whose content is hostile."""
    image = store.resolve("web:1.0")
    contents = store._layout.contents(image.digest)
    with store._layout.writing() as layer, tarfile.open(fileobj=layer, mode="w") as tar:
        for member in members:
            tar.addfile(member)
    described = store._layout.describe(evolve(contents.recipe, name="evil"), entries, layer)
    store._layout.write_index([described])
    return described["digest"]


def member(name: str, kind: bytes = tarfile.DIRTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("../x")],
        [Entry("/immutable-test-escaped")],
        [Entry("/"), Entry("//tmp")],
        [Entry("a"), Entry("a/..")],
        [Entry("a"), Entry("a/../../x")],
        [Entry("a/x", sha256=EMPTY)],
        [Entry("out", link="../.."), Entry("out/x", sha256=EMPTY)],
        [Entry("out", link="lib"), Entry("out/x", sha256=EMPTY)],
        [Entry("out", link="/etc")],
        [Entry("b"), Entry("a")],
        [Entry("a"), Entry("a")],
        [Entry("a\0b")],
        [Entry("")],
        [Entry(".")],
    ],
    ids=str,
)
def test_an_image_that_would_write_outside_is_refused(store, make_directory, tmp_path, entries):
    store.pack(make_directory(FILES))
    kinds = {stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFREG: tarfile.REGTYPE}
    members = [member(e.path, kinds.get(e.kind, tarfile.SYMTYPE), e.link) for e in entries]
    members = [each for each in members if "\0" not in each.name]
    digest = crafted(store, entries, members)
    before = sorted(str(p) for p in tmp_path.rglob("*"))

    with pytest.raises(Invalid, match="don't use it"):
        store.unpack(digest)

    assert sorted(str(p) for p in tmp_path.rglob("*")) == before
    assert not Path("/immutable-test-escaped").exists()


@pytest.mark.parametrize(
    "members",
    [
        [],
        [member("a"), member("b")],
        [member("../a")],
        [member("a", tarfile.SYMTYPE, "/etc")],
        [member("a", tarfile.LNKTYPE, "/etc/passwd")],
        [member("a", tarfile.CHRTYPE)],
        [member("a", tarfile.REGTYPE)],
    ],
    ids=["none", "more", "other", "link", "hardlink", "device", "file"],
)
def test_a_layer_that_holds_anything_but_its_list_is_refused(store, make_directory, members):
    store.pack(make_directory(FILES))
    digest = crafted(store, [Entry("a")], members)

    with pytest.raises(Invalid, match="layer and its list differ at"):
        store.unpack(digest)

    assert list((store.root / "store").iterdir()) == []


def test_a_layer_whose_file_differs_from_its_list_is_refused(store, make_directory):
    store.pack(make_directory(FILES))
    wrong = hashlib.sha256(b"else").hexdigest()
    digest = crafted(store, [Entry("a", sha256=wrong)], [member("a", tarfile.REGTYPE)])

    with pytest.raises(Invalid, match="layer and its list differ at a;"):
        store.unpack(digest)


def test_an_image_that_was_not_packed_here_is_refused(store, make_directory):
    store.pack(make_directory())
    with store._layout.writing() as blob:
        blob.write(b'{"schemaVersion":2}')
    store._layout.write_index([{"digest": blob.digest}])

    with pytest.raises(Invalid, match="is no image of this backend; pack it here"):
        store.unpack(blob.digest)
    assert store.images() == ()


# -- references ------------------------------------------------------------------------------------


def test_a_reference_is_a_digest_a_name_with_a_version_or_a_directory(
    store, make_directory, monkeypatch
):
    folder = make_directory(FILES)
    image = store.resolve(str(folder))

    assert store.resolve(image.digest) == image
    assert store.resolve(image.digest[: len("sha256:") + 12]) == image
    assert store.resolve("web:1.0") == image
    monkeypatch.chdir(folder.parent)
    assert store.resolve("web") == image
    assert store.resolve("./web") == image
    monkeypatch.setenv("HOME", str(folder.parent))
    assert store.resolve("~/web") == image


def test_the_image_packed_last_has_the_name(store, make_directory):
    folder = make_directory(FILES)
    first = store.pack(folder)
    (folder / "app.sh").write_text("second")
    second = store.pack(folder)
    assert store.resolve("web:1.0") == second
    assert store.images() == (second, first)

    (folder / "app.sh").write_text(FILES["app.sh"])
    assert store.pack(folder) == first
    assert store.resolve("web:1.0") == first
    assert store.images() == (first, second)

    store.remove(first.digest)
    assert store.resolve("web:1.0") == second


def test_an_unknown_reference_is_refused_with_what_is_there(store, make_directory):
    with pytest.raises(Invalid, match=r"no image 'web:2'; there are: none; to pack a directory"):
        store.resolve("web:2")
    image = store.pack(make_directory())
    with pytest.raises(Invalid, match=rf"no image 'api'; there are: web:1.0 \({image.digest[:19]}"):
        store.resolve("api")
    with pytest.raises(Invalid, match=r"no image 'sha256:0{12}'; there are: web:1.0"):
        store.resolve("sha256:" + "0" * 12)
    with pytest.raises(Invalid, match=r"is too short; write 12 or more"):
        store.resolve(image.digest[:18])
    with pytest.raises(Invalid, match="no image"):
        store.resolve("nul\0byte")


def test_a_prefix_of_two_digests_is_refused_with_both(store, make_directory, monkeypatch):
    image = store.pack(make_directory())
    twin = evolve(image, digest=image.digest[:-1] + ("0" if image.digest[-1] != "0" else "1"))
    monkeypatch.setattr(store, "images", lambda: (image, twin))

    with pytest.raises(Invalid, match=rf"any of {image.digest}, {twin.digest}; write more"):
        store.resolve(image.digest[:30])


def test_what_is_no_digest_never_becomes_a_path(store, make_directory):
    store.pack(make_directory())
    for wrong in ("sha256:../../x", "sha256:" + "A" * 64, "web:1.0", ""):
        for ask in (store.unpack, store.verify, store.remove):
            with pytest.raises(Invalid, match="is no digest"):
                ask(wrong)
    for ask in (store.unpack, store.verify, store.remove):
        with pytest.raises(Gone, match=r"no image sha256:0+; there are: web:1.0"):
            ask("sha256:" + "0" * 64)


# -- removing --------------------------------------------------------------------------------------


def test_what_is_removed_leaves_nothing_and_what_it_shared_stays(store, make_directory):
    folder = make_directory(FILES)
    first = store.pack(folder)
    second = store.pack(folder, version="2.0")
    for image in (first, second):
        store.unpack(image.digest)
    assert len(list((store.root / "blobs/sha256").iterdir())) == 5, "they share the layer"

    store.remove(first.digest)

    assert store.images() == (second,)
    assert not first.root.exists()
    assert store.verify(second.digest) == ()
    assert len(list((store.root / "blobs/sha256").iterdir())) == 3
    store.remove(second.digest)
    assert store.images() == ()
    assert list((store.root / "blobs/sha256").iterdir()) == []
    assert list((store.root / "store").iterdir()) == []


def test_collect_keeps_what_it_is_told_and_removes_what_a_crash_left(store, make_directory):
    folder = make_directory(FILES)
    kept = store.pack(folder)
    lost = store.pack(folder, version="2.0")
    store.unpack(kept.digest)
    store.unpack(lost.digest)
    (store.root / "store/.tree-1/sub").mkdir(parents=True)
    (store.root / "store/.tree-1/sub").chmod(0o555)
    (store.root / "blobs/sha256/.blob-1").write_text("half")
    (store.root / ".draft-1").write_text("half")
    (store.root / "blobs/sha256" / ("0" * 64)).write_text("of no image")

    assert store.collect({kept.digest}) == (lost.digest,)

    assert store.images() == (kept,)
    assert store.verify(kept.digest) == ()
    assert [p.name for p in (store.root / "store").iterdir()] == [kept.digest[7:]]
    assert len(list((store.root / "blobs/sha256").iterdir())) == 3
    assert leftovers(store) == []
    assert store.collect({kept.digest}) == ()


def test_collect_keeps_the_tree_of_an_instance_whose_image_is_unknown(store, make_directory):
    image = store.pack(make_directory(FILES))
    tree = store.unpack(image.digest)
    (store.root / "index.json").unlink()

    assert store.collect({image.digest}) == ()

    assert (tree / "app.sh").exists()


def test_collect_waits_for_those_who_pack(store, make_directory):
    image = store.pack(make_directory(FILES))
    half = store.root / "store" / ".tree-half"
    half.mkdir()
    collected = threading.Thread(target=store.collect, args=((),))

    with locked(store.root / "images.lock", shared=True):
        collected.start()
        collected.join(0.1)
        assert collected.is_alive()
        assert half.exists()
        assert store.unpack(image.digest).exists()
    collected.join(10)

    assert not half.exists()
    assert store.images() == ()


def test_those_who_pack_and_unpack_wait_for_those_who_remove(store, make_directory):
    folder = make_directory(FILES)
    image = store.pack(folder)
    waiting = [
        threading.Thread(target=store.pack, args=(folder,), kwargs={"version": "2.0"}),
        threading.Thread(target=store.unpack, args=(image.digest,)),
    ]

    with locked(store.root / "images.lock"):
        for each in waiting:
            each.start()
        waiting[0].join(0.1)
        assert all(each.is_alive() for each in waiting)
        assert leftovers(store) == []
    for each in waiting:
        each.join(10)

    assert [each.version for each in store.images()] == ["2.0", "1.0"]
    assert store.verify(image.digest) == ()


def test_an_empty_store_can_be_asked_anything(store):
    assert store.images() == ()
    assert store.collect(()) == ()
    assert not store.root.exists()


def test_a_damaged_index_is_named(store, make_directory):
    store.pack(make_directory())
    (store.root / "index.json").write_text("{")

    with pytest.raises(Invalid, match=r"index.json: damaged; remove it and pack the images again"):
        store.images()


# -- several at once -------------------------------------------------------------------------------


WORK = """
import sys
from pathlib import Path
from immutable_local.images import ImageStore
store = ImageStore(Path(sys.argv[1]))
for _ in range(5):
    image = store.pack(sys.argv[2], version=sys.argv[3])
    same = store.pack(sys.argv[2], version="shared")
    for each in (image, same):
        store.unpack(each.digest)
        assert store.verify(each.digest) == ()
"""


def test_several_processes_may_pack_and_unpack_at_once(store, make_directory):
    folder = make_directory({**FILES, **{f"many/{n}": str(n) for n in range(30)}})
    versions = ["1", "2", "3", "4"]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, str(store.root), str(folder), version],
            stderr=subprocess.PIPE,
            text=True,
        )
        for version in versions
    ]

    assert [worker.communicate(timeout=50)[1] for worker in workers] == [""] * 4
    assert [worker.returncode for worker in workers] == [0] * 4
    assert sorted(image.version for image in store.images()) == [*versions, "shared"]
    assert all(store.verify(image.digest) == () for image in store.images())
    assert leftovers(store) == []


def test_who_unpacks_second_uses_what_the_first_has_made(store, make_directory, monkeypatch):
    image = store.pack(make_directory(FILES))
    extract = trees.extract

    def late(*args):
        extract(*args)
        monkeypatch.setattr(trees, "extract", extract)
        late.made = store.unpack(image.digest).stat().st_ino

    monkeypatch.setattr(trees, "extract", late)

    assert store.unpack(image.digest).stat().st_ino == late.made
    assert store.verify(image.digest) == ()
    assert leftovers(store) == []


# -- disks -----------------------------------------------------------------------------------------

SCRIPT = """
import sys
from pathlib import Path
from immutable.errors import BackendError
from immutable_local.images import ImageStore
store = ImageStore(Path(sys.argv[2]))
try:
    getattr(store, sys.argv[1])(sys.argv[3])
except BackendError as error:
    print(type(error).__name__, error)
print(sorted(str(p) for p in store.root.rglob(".*")))
print([p.name for p in store.root.glob("store/*")], len(list(store.root.glob("blobs/sha256/*"))))
"""


def on_a_disk(bwrap: Path, options: list[str], *arguments: str) -> list[str]:
    """Run the script with parts of the disk replaced; return what it says."""
    done = subprocess.run(
        [str(bwrap), "--bind", "/", "/", *options, "--", sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_full_disk_is_said_so_and_nothing_half_done_stays(bwrap, store, make_directory):
    folder = make_directory({"big": "x" * 3_000_000})
    store.root.mkdir()
    small = ["--size", "1000000", "--tmpfs", str(store.root)]

    said = on_a_disk(bwrap, small, "pack", str(store.root), str(folder))

    assert said[0].startswith(f"{CapacityShortage.__name__} packing {folder}: No space left on")
    assert said[0].endswith("free space on that disk")
    assert said[1:] == ["[]", "[] 0"]

    image = store.pack(folder)
    trees_only = ["--size", "1000000", "--tmpfs", str(store.root / "store")]
    said = on_a_disk(bwrap, trees_only, "unpack", str(store.root), image.digest)
    assert said[0].startswith(f"{CapacityShortage.__name__} unpacking {image.digest}: No space")
    assert said[1:] == ["[]", "[] 3"]


def test_a_read_only_disk_is_said_so_and_can_still_be_read(bwrap, store, make_directory):
    folder = make_directory(FILES)
    image = store.pack(folder)
    frozen = ["--ro-bind", str(store.root), str(store.root)]

    said = on_a_disk(bwrap, frozen, "pack", str(store.root), str(folder))

    assert said[0].startswith(f"{Denied.__name__} packing {folder}: Read-only file system")
    store.unpack(image.digest)
    said = on_a_disk(bwrap, frozen, "verify", str(store.root), image.digest)
    assert said == ["[]", f"['{image.digest[7:]}'] 3"]
