"""Manifests: the same after a trip as a file, and refused when anything is off."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue
from immutable.model.image import Assurance
from immutable.trust import Artifact, ImageManifest, ImageSpec, Source, Target, TestResult
from immutable.trust.strict import strict_json
from tests.support.images import BASE, COMMIT, manifest, spec

LABELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,8}", fullmatch=True).filter(
    lambda text: text != "sha256"
)
# JSON has no halves of surrogate pairs.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SHOWN = TEXTS.filter(lambda text: text.isprintable() and text != "")
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}")
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=3)
TARGETS = st.builds(Target, st.sampled_from(["aws", "gcp", "local"]), TEXTS)
SOURCES = st.builds(
    Source,
    LABELS.map(lambda name: f"https://example.com/{name}"),
    st.from_regex(r"[0-9a-f]{40}", fullmatch=True),
    TEXTS,
)
SPECS = st.builds(
    ImageSpec,
    name=LABELS,
    version=LABELS,
    builder=LABELS.map(lambda name: f"https://ci.example.com/{name}"),
    source=st.none() | SOURCES,
    base=st.just("") | DIGESTS,
    targets=st.lists(TARGETS, max_size=4),
    materials=st.dictionaries(TEXTS, DIGESTS, max_size=3),
    parameters=MAPS,
    tests=st.lists(TEXTS, max_size=3),
)
ARTIFACTS = st.lists(
    st.builds(Artifact, st.sampled_from(["aws", "gcp", "local"]), TEXTS, SHOWN, MAPS),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each.target,
)
MOMENTS = st.datetimes(
    datetime(1970, 1, 1), datetime(9000, 1, 1),  # noqa: DTZ001 - Zones are drawn below.
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)  # fmt: skip
MANIFESTS = st.builds(
    ImageManifest,
    spec=SPECS,
    artifacts=ARTIFACTS,
    built_at=MOMENTS,
    sbom=st.just("") | DIGESTS,
    tests=st.lists(
        st.builds(TestResult, SHOWN, st.booleans(), TEXTS, st.integers(0, 2**40), TEXTS), max_size=3
    ),
    tools=MAPS,
)


@given(MANIFESTS)
def test_a_manifest_is_the_same_after_a_trip_as_a_file(made):
    text = made.dump()
    read = ImageManifest.load(text)
    assert read == made
    assert read.digest == made.digest
    assert read.dump() == text


@given(MANIFESTS)
def test_the_digest_is_that_of_the_file_which_is_canonical_json(made):
    text = made.dump()
    assert made.digest == f"sha256:{hashlib.sha256(text).hexdigest()}"
    assert text == rfc8785.dumps(json.loads(text))


@given(MANIFESTS, st.integers(0, 8))
def test_how_a_file_is_laid_out_changes_nothing(made, indent):
    text = json.dumps(json.loads(made.dump()), indent=indent, sort_keys=indent % 2 == 0)
    assert ImageManifest.load(text).digest == made.digest


@given(MANIFESTS, MOMENTS, MAPS)
def test_what_only_the_build_tells_is_in_the_manifest_and_not_in_the_specification(made, at, tools):
    later = evolve(made, built_at=at, tools=tools)
    assert later.spec.digest == made.spec.digest
    assert (later.digest == made.digest) == (later == made)


@given(SPECS, SPECS)
def test_specifications_have_one_digest_exactly_when_they_are_equal(one, other):
    assert (one.digest == other.digest) == (one == other)


@given(SPECS, st.randoms())
def test_the_order_in_which_targets_and_names_are_given_means_nothing(made, random):
    def mixed(items):
        return random.sample(sorted(items), len(items))

    again = evolve(
        made,
        targets=mixed(made.targets),
        parameters=dict(mixed(made.parameters.items())),
        materials=dict(mixed(made.materials.items())),
    )
    assert again.digest == made.digest
    assert again == made


@pytest.mark.parametrize(
    "change",
    [
        {"name": "shop"},
        {"version": "1.4.3"},
        {"builder": "https://ci.example.com/other"},
        {"source": None},
        {"source": Source("https://example.com/web", COMMIT, "refs/heads/feature")},
        {"source": Source("https://example.com/web", "f" * 40, "refs/heads/main")},
        {"base": ""},
        {"targets": (Target("aws", "eu-west-1"),)},
        {"materials": {"recipe": BASE}},
        {"parameters": {"user": "app"}},
        {"tests": ("boot",)},
    ],
)
def test_every_input_changes_the_digest_of_a_specification(change):
    assert evolve(spec(), **change).digest != spec().digest


def test_the_digest_of_a_specification_does_not_change_from_version_to_version():
    made = ImageSpec("web", "1.4.2", "https://ci.example.com/images")
    form = (
        '{"base":"","builder":"https://ci.example.com/images","materials":{},"name":"web",'
        '"parameters":{},"source":null,"targets":[],"tests":[],"version":"1.4.2"}'
    )
    assert made.digest == f"sha256:{hashlib.sha256(form.encode()).hexdigest()}"


def test_an_image_that_is_launched_has_the_manifests_digest_and_says_what_it_stands_for():
    made = manifest()
    image = made.image(made.artifact("aws", "eu-west-1"))
    assert (image.artifact, image.digest) == ("ami-0abc123", made.digest)
    assert image.assurance is Assurance.SIGNED
    assert (str(image), image.commit, image.parent) == ("web:1.4.2 (ami-0abc123)", COMMIT, BASE)
    with pytest.raises(InvalidValue, match=r"has none there; .*aws://eu-west-1, local://"):
        made.artifact("aws", "us-east-1")


def test_addresses_of_artifacts_are_different_when_the_artifacts_are():
    assert Artifact("aws", "a/b", "c").address != Artifact("aws", "a", "b/c").address
    path = "/subscriptions/s/versions/1"
    assert Artifact("azure", "westeurope", path).address == f"azure://westeurope/{path}"


@given(ARTIFACTS)
def test_an_address_names_exactly_one_artifact(artifacts):
    for each in artifacts:
        assert Artifact.parse(each.address) == evolve(each, stable={})


@pytest.mark.parametrize(
    "address", ["ami-1", "aws://", "aws://eu-west-1", "aws://eu-west-1/", "://a/b"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InvalidValue, match=r"aws://eu-west-1/ami-0abc123|such as aws or local"):
        Artifact.parse(address)


def test_a_time_is_kept_in_whole_seconds_of_utc():
    moment = datetime(2026, 11, 28, 17, 0, 0, 999, tzinfo=timezone(timedelta(hours=1)))
    assert evolve(manifest(), built_at=moment).built_at == datetime(2026, 11, 28, 16, tzinfo=UTC)


# -- what is refused -------------------------------------------------------------------------------


def edited(change):
    data = json.loads(manifest().dump())
    change(data)
    return json.dumps(data)


def put(*path, value):
    """A change of the value at *path*."""

    def change(data):
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = value

    return change


def leave(*path):
    """A change that leaves out what is at *path*."""

    def change(data):
        for step in path[:-1]:
            data = data[step]
        del data[path[-1]]

    return change


REFUSED = [
    (put("color", value="red"), "manifest.color='red': unknown; leave it out"),
    (put("spec", "flags", value=[]), "manifest.spec.flags=[]: unknown"),
    (put("artifacts", 0, "zone", value="a"), "manifest.artifacts[0].zone='a': unknown"),
    (leave("sbom"), "manifest.sbom=None: missing"),
    (leave("spec", "source", "ref"), "manifest.spec.source.ref=None: missing"),
    (put("built_at", value=1764347342), "manifest.built_at=1764347342: not a text"),
    (put("built_at", value="2026-11-28 16:29:02"), "no time in UTC; write it as 2026-"),
    (put("built_at", value="2026-11-28T16:29:02+01:00"), "no time in UTC"),
    (put("built_at", value="2026-1-28T16:29:02Z"), "no time in UTC"),
    (put("tests", 0, "passed", value=1), "manifest.tests[0].passed=1: not true or false"),
    (put("tests", 0, "milliseconds", value=True), "=True: not a whole number"),
    (put("tests", 0, "milliseconds", value=1.5), "1.5': no whole number"),
    (put("tests", 0, "milliseconds", value=2**53), "beyond 2^53, where readers differ"),
    (put("artifacts", value={}), "manifest.artifacts={}: not a list"),
    (put("artifacts", value=[]), "manifest.artifacts=(): an image without any artifact"),
    (put("artifacts", 0, value=None), "manifest.artifacts[0]=None: not an object"),
    (put("artifacts", 0, "region", value=None), "manifest.artifacts[0].region=None: not a text"),
    (put("artifacts", 0, "id", value=""), "manifest.artifacts[0].id='': empty"),
    (put("artifacts", 0, "backend", value="AWS"), "'AWS': not the name of a backend"),
    (put("artifacts", 1, value={"backend": "aws", "region": "eu-west-1", "id": "ami-2",
                                "stable": {}}), "a second one for its place"),
    (put("tools", value={"packer": 1}), "manifest.tools.packer=1: not a text"),
    (put("sbom", value="sha256:00"), "manifest.sbom='sha256:00': not a sha256 digest"),
    (put("sbom", value="sha256:" + "A" * 64), "not a sha256 digest"),
    (put("spec", "name", value="web:1"), "manifest.spec.name='web:1': not of letters"),
    (put("spec", "name", value="sha256"), "manifest.spec.name='sha256': not of letters"),
    (put("spec", "version", value="1 2"), "manifest.spec.version='1 2': not of letters"),
    (put("spec", "builder", value="me"), "manifest.spec.builder='me': not a URI"),
    (put("spec", "source", "commit", value="abc123"), "'abc123': not a whole commit id"),
    (put("spec", "source", "repository", value=""), "manifest.spec.source.repository='': empty"),
    (put("spec", "materials", value={"recipe": "x"}), "materials='x': not a sha256 digest"),
    (put("immutable-image", value=2), "manifest.immutable-image=2: an unknown format"),
    (put("immutable-image", value=True), "manifest.immutable-image=True: an unknown format"),
    (leave("immutable-image"), "not an image's manifest"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), REFUSED)
def test_what_is_off_in_a_file_is_named_with_its_place(change, said):
    with pytest.raises(InvalidValue) as caught:
        ImageManifest.load(edited(change))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("[]", "not an image's manifest"),
        (manifest().dump()[:-9], "no JSON: "),
        (manifest().dump() + b"{}", "no JSON: "),
        (b"\xff\xfe", "no JSON: "),
        ('"\\ud800"', "no JSON: "),
        ("[" * 100_000, "nested too deep"),
        (" " * (4 * 2**20 + 1), "more than"),
        ('{"a": NaN}', "'NaN': no whole number"),
        ('{"a": 1, "a": 2}', "manifest='a': the same name twice in one object; leave one"),
        ('{"a": [{"b": 1, "\\u0062": 1}]}', "manifest='b': the same name twice"),
        (f'{{"a": {"9" * 5000}}}', "beyond 2^53"),
    ],
)
def test_what_is_no_strict_json_is_refused(text, said):
    with pytest.raises(InvalidValue) as caught:
        ImageManifest.load(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
))  # fmt: skip
def test_whatever_has_one_reading_is_read(data):
    assert strict_json(json.dumps(data), "it") == data


@pytest.mark.parametrize(
    "address",
    ["https://ada:hunter2@example.com/web", "https://ghp_token@example.com/web",
     "ssh://git:hunter2@example.com/web"],
)  # fmt: skip
def test_a_repository_with_a_password_is_refused_and_the_password_is_not_shown(address):
    with pytest.raises(InvalidValue, match="holds a password or a token") as caught:
        Source(address, COMMIT)
    assert "hunter2" not in str(caught.value)
    assert "ghp_token" not in str(caught.value)


def test_the_name_of_a_user_alone_is_no_secret():
    assert Source("ssh://git@example.com/web", COMMIT).repository == "ssh://git@example.com/web"
    assert Source("git@example.com:acme/web", COMMIT).ref == ""


@pytest.mark.parametrize(
    "make",
    [
        lambda: ImageSpec("web", 1, "https://ci.example.com"),
        lambda: spec(parameters={"port": 80}),
        lambda: spec(tests=(1,)),
        lambda: spec(materials={"caf\udce9": BASE}),
        lambda: Artifact("aws", "eu-west-1", "ami\ud800"),
        lambda: Target("aws", None),
        lambda: evolve(manifest(), built_at=datetime(2026, 1, 1)),  # noqa: DTZ001
    ],
)
def test_what_could_not_be_read_again_is_not_made(make):
    with pytest.raises(InvalidValue):
        make()
