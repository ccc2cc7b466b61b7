"""Secrets in AWS, by boto3 and over HTTP, against moto's server."""

from __future__ import annotations

import logging
import os

import boto3
import pytest
from moto.server import ThreadedMotoServer

from immutable.backend import Gone, Invalid, SecretRef, SecretResolver, Transient
from immutable_aws.permissions import CHECK_SECRETS, FEATURES, READ_SECRETS, action
from immutable_aws.secrets import ParameterResolver, SecretsManagerResolver

CANARY = "canary-aws-7d10"


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    yield "http://{}:{}".format(*made.get_host_and_port())
    made.stop()


@pytest.fixture(autouse=True)
def surroundings(server, monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def text(secret):
    with secret.reveal() as value:
        return bytes(value).decode()


def ref(uri):
    return SecretRef.parse(uri)


def test_a_secret_its_versions_and_what_is_told_without_its_value():
    theirs = boto3.client("secretsmanager")
    made = theirs.create_secret(Name="prod/db", SecretString=CANARY)
    first, arn = made["VersionId"], made["ARN"]
    ours = SecretsManagerResolver()
    assert isinstance(ours, SecretResolver)
    assert ours.check(ref("aws-sm://prod/db")) == first
    assert text(ours.resolve(ref("aws-sm://prod/db"))) == CANARY
    second = theirs.put_secret_value(SecretId="prod/db", SecretBinary=b"new")["VersionId"]
    assert ours.check(ref(f"aws-sm://{arn}")) == second
    assert ours.check(ref(f"aws-sm://prod/db?version={first}")) == first
    assert text(ours.resolve(ref(f"aws-sm://prod/db?version={first}"))) == CANARY
    assert text(ours.resolve(ref(f"aws-sm://{arn}#field"))) == "new"
    missing = f"aws-sm://prod/db?version={'0' * 36}"
    for call in (ours.check, ours.resolve):
        with pytest.raises(Gone, match="prod/db"):
            call(ref(missing))
        with pytest.raises(Gone, match="aws-sm://none"):
            call(ref("aws-sm://none"))
    theirs.delete_secret(SecretId="prod/db")
    with pytest.raises(Gone, match="marked for deletion"):
        ours.check(ref("aws-sm://prod/db"))
    ours.close()


@pytest.mark.slow  # moto reads all parameters that AWS itself publishes first.
def test_a_parameter_and_its_versions():
    theirs = boto3.client("ssm")
    theirs.put_parameter(Name="/prod/db", Value=CANARY, Type="SecureString")
    theirs.put_parameter(Name="/prod/db", Value="new", Type="SecureString", Overwrite=True)
    theirs.put_parameter(Name="/prod/list", Value="a,b", Type="StringList")
    ours = ParameterResolver()
    assert ours.check(ref("aws-ssm:///prod/db")) == "2"
    assert ours.check(ref("aws-ssm:///prod/db?version=1")) == "1"
    assert text(ours.resolve(ref("aws-ssm:///prod/db"))) == "new"
    assert text(ours.resolve(ref("aws-ssm:///prod/db?version=1"))) == CANARY
    for call in (ours.check, ours.resolve):
        with pytest.raises(Gone):
            call(ref("aws-ssm:///none"))
        with pytest.raises(Gone):
            call(ref("aws-ssm:///prod/db?version=9"))
    with pytest.raises(Invalid, match="is a list"):
        ours.resolve(ref("aws-ssm:///prod/list"))
    ours.close()


@pytest.mark.parametrize("uri", ["aws-sm://a", "aws-ssm:///a"])
def test_nobody_who_answers_is_transient(uri, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    ours = ParameterResolver() if "ssm" in uri else SecretsManagerResolver()
    for call in (ours.check, ours.resolve):
        with pytest.raises(Transient, match="aws-"):
            call(ref(uri))
    ours.close()


@pytest.mark.parametrize(
    ("call", "permitted"), [("check", CHECK_SECRETS), ("resolve", READ_SECRETS)]
)
def test_checking_and_reading_need_what_the_table_has(call, permitted, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    asked = []
    for ours, uri in (
        (SecretsManagerResolver(), "aws-sm://a"), (ParameterResolver(), "aws-ssm:///a"),
    ):  # fmt: skip
        events = ours._client(ref(uri)).meta.events
        events.register("before-call", lambda model, **_: asked.append(
            action(model.service_model.service_name, model.name)))  # fmt: skip
        with pytest.raises(Transient):
            getattr(ours, call)(ref(uri))
        ours.close()
    assert asked == list(permitted)


def test_no_feature_of_a_controller_reads_secrets():
    assert not any("secretsmanager:GetSecretValue" in actions for actions in FEATURES.values())
