"""What is a secret and what only stands where one could stand."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.scanning import Document
from immutable.scanning.assignments import is_secret_name
from immutable.scanning.harmless import is_harmless
from immutable.scanning.looking import fingerprint, look

WORD = "Tq7wZ" + "p2LxV9c"  # In two, that it looks like nothing.


def rules(text: str, name: str = "user-data"):
    return [(each.line, each.rule) for each in look(Document(name, text.encode())).findings]


@pytest.mark.parametrize(
    "line",
    [
        f"DB_PASSWORD={WORD}",
        f"password: '{WORD}'",
        f'"clientSecret": "{WORD}",',
        f'Environment="API_KEY={WORD}"',
        f"ENV REGISTRY_TOKEN={WORD}",
        f"export PGPASSWORD={WORD}  # for now",
        f"agent --token {WORD} --quiet",
        f"password {WORD}",
        f"db.default.password={WORD}",
        f"redis://:{WORD}@cache:6379/0",
    ],
)
def test_a_secret_is_found_by_what_it_is_called(line):
    found = rules(f"# settings\n{line}\nLEVEL=info\n")
    assert [number for number, _ in found] == [2]


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASSWORD=vault://secret/web#password",
        "DB_PASSWORD=aws-sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:web-AbC123#db",
        "DB_PASSWORD=projects/web/secrets/db/versions/3",
        "DB_PASSWORD=file:///run/keys/db",
        "DB_PASSWORD=${DB_PASSWORD:?missing}",
        "DB_PASSWORD=$(cat /run/keys/db)",
        "DB_PASSWORD_FILE=/run/secrets/db",
        "PASSWORD_MIN_LENGTH=12000",
        "TOKEN_LIFETIME=86400",
        'password: "{{ vault_password }}"',
        "password: <your password>",
        "secret: see the wiki for who may read it",
        "api_key = os.environ['API_KEY']",
        "Resource: arn:aws:secretsmanager:eu-west-1:123456789012:secret:web-*",
        "integrity: sha512-" + base64.b64encode(bytes(range(64))).decode(),
        "id-token: write",
        "commit: " + "0123456789abcdef" * 2 + "01234567",
    ],
)
def test_what_only_looks_so_is_let_through(line):
    assert rules(f"{line}\n") == []


def test_a_reference_with_a_password_in_it_is_none():
    assert rules(f"DB_PASSWORD=vault://me:{WORD}@host/kv\n") == [(1, "password in an address")]


def test_vendors_tokens_are_found_wherever_they_stand():
    token = "hv" + "s." + "CAESIJ" * 5
    old = "s" + "." + "aB3dE6gH9jK2mN5pQ8rS1tU4"
    assert rules(f"x = {token}\ny = {old}\n") == [(1, "vault token"), (2, "vault token")]
    assert rules("the class s.aB3d, and files.aB3dE6gH9jK2mN5pQ8rS1tU4") == []


def test_of_a_private_key_each_is_another_finding_and_public_ones_are_none():
    def pem(kind: str, fill: str) -> str:
        body = "\n".join([fill * 64] * 3)
        return f"-----BEGIN {kind} KEY-----\n{body}\n-----END {kind} KEY-----\n"

    first, second = (look(Document("id", pem("PRIVATE", fill).encode())).findings for fill in "ab")
    assert first[0].rule == second[0].rule == "private key"
    assert first[0].fingerprint != second[0].fingerprint
    assert rules(pem("PUBLIC", "a")) == []


def test_code_has_values_in_quotes_only():
    assert rules("password = prompt_user\n", "login.py") == []
    assert rules(f"password = '{WORD}'\n", "login.py") == [(1, "named like a secret")]


def test_a_fingerprint_is_of_a_value_in_a_place_and_tells_neither():
    one = fingerprint("a.env", WORD)
    assert one == fingerprint("a.env", WORD)
    assert len({one, fingerprint("b.env", WORD), fingerprint("a.env", WORD + "1")}) == 3
    assert WORD not in one


def test_one_secret_that_several_rules_know_is_one_finding_but_two_on_a_line_are_two():
    token = "gh" + "p_" + "a1B2c3D4" * 5
    assert len(rules(f"GITHUB_TOKEN={token}\n")) == 1
    assert len(rules(f"A_TOKEN={token} B_PASSWORD={WORD}\n")) == 2


def test_no_more_than_fifty_are_told_of_one_file():
    text = "\n".join(f"PASSWORD_{n}={WORD}{n}" for n in range(80))
    assert len(rules(text)) == 50


@pytest.mark.parametrize(
    ("name", "secret"),
    [("DB_PASSWORD", True), ("db-password-2", True), ("SECRET", True), ("apiKey", True),
     ("AWS_SECRET_ACCESS_KEY", True), ("PASSWORD_FILE", False), ("KEY", False),
     ("TOKENS_PER_MINUTE", False), ("COMPASS", False), ("BYPASS", False)],
)  # fmt: skip
def test_a_name_says_by_its_last_words_whether_it_is_a_secrets(name, secret):
    assert is_secret_name(name) is secret


@given(st.text(max_size=300))
def test_no_text_makes_it_fail(text):
    look(Document("x", text.encode(errors="surrogatepass")))
    is_harmless(text)
