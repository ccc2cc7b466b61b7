# ruff: noqa: E501  # What stands in a file stays in one line.
"""Files with a secret in them, and files that only look so: made by a seed, none kept.

Nothing here looks like a secret: forms are put together from parts when the files are made. The
same seed makes the same files. What is tuned is tuned on other seeds than those that are reported.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
import string
import uuid
from collections.abc import Callable

from attrs import frozen

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
SAFE = ALNUM + "-_"
WORDS = (  # noqa: SIM905  # Shorter than twenty lines.
    "harbor lantern copper meadow violet timber falcon granite willow ember tundra saffron "
    "beacon orchid quartz prairie cobalt juniper marble thistle"
).split()


@frozen
class Sample:
    """One file.

    Attributes:
        name: Its name.
        data: Its content.
        secret: What was planted; empty in a clean file.
        kind: Which secret, or which clean file.
        how: How it is encoded.
        line: The line that the secret is on, where the file is plain; else 0.
    """

    name: str
    data: bytes
    secret: str = ""
    kind: str = ""
    how: str = "plain"
    line: int = 0


class Maker:
    """Makes what a seed says."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def some(self, letters: str, least: int, most: int | None = None) -> str:
        count = self.chance.randint(least, most or least)
        return "".join(self.chance.choice(letters) for _ in range(count))

    def pick(self, things):
        return self.chance.choice(things)

    def word(self) -> str:
        return self.pick(WORDS)

    def raw(self, count: int) -> bytes:
        return self.chance.randbytes(count)

    def b64(self, count: int) -> str:
        return base64.b64encode(self.raw(count)).decode()

    # -- secrets that are known by their form ----------------------------------------------------

    def tokens(self) -> dict[str, Callable[[], str]]:
        some, pick = self.some, self.pick
        return {
            "aws key id": lambda: pick(["AK", "AS"]) + "IA" + some("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
            "github": lambda: "gh" + pick("posr") + "_" + some(ALNUM, 36),
            "github fine": lambda: "github" + "_pat_" + some(ALNUM, 22) + "_" + some(ALNUM, 59),
            "gitlab": lambda: "gl" + "pat-" + some(SAFE, 20),
            "slack": lambda: "xo" + "xb-" + some(string.digits, 12) + "-" + some(string.digits, 12) + "-" + some(ALNUM, 24),
            "slack hook": lambda: "https://hooks.slack" + ".com/services/T" + some(string.ascii_uppercase + string.digits, 8) + "/B" + some(string.ascii_uppercase + string.digits, 8) + "/" + some(ALNUM, 24),
            "stripe": lambda: "sk" + "_live_" + some(ALNUM, 24),
            "google": lambda: "AI" + "za" + some(SAFE, 35),
            "sendgrid": lambda: "S" + "G." + some(SAFE, 22) + "." + some(SAFE, 43),
            "twilio": lambda: "S" + "K" + some(HEX, 32),
            "npm": lambda: "np" + "m_" + some(ALNUM, 36),
            "pypi": lambda: "py" + "pi-AgEIcHlwaS5vcmc" + some(SAFE, 80, 150),
            "vault": lambda: "hv" + pick("sbr") + "." + some(SAFE, 24, 95),
            "vault old": lambda: "s" + "." + some(ALNUM, 24),
            "jwt": self._jwt,
            "digitalocean": lambda: "do" + pick("op") + "_v1_" + some(HEX, 64),
            "huggingface": lambda: "h" + "f_" + some(string.ascii_letters, 34),
            "anthropic": lambda: "sk-" + "ant-api03-" + some(SAFE, 93) + "AA",
            "openai": lambda: "sk-" + "proj-" + some(ALNUM, 20) + "T3Blbk" + "FJ" + some(ALNUM, 20),
            "databricks": lambda: "da" + "pi" + some(HEX, 32),
            "shopify": lambda: "shp" + "at_" + some(HEX, 32),
            "grafana": lambda: "gl" + "sa_" + some(ALNUM, 32) + "_" + some(HEX, 8),
            "newrelic": lambda: "NR" + "AK-" + some(string.ascii_uppercase + string.digits, 27),
            "doppler": lambda: "dp" + ".pt." + some(ALNUM, 43),
            "age": lambda: "AGE-SECRET" + "-KEY-1" + some("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
            "terraform": lambda: some(ALNUM, 14) + ".atlas" + "v1." + some(SAFE, 67),
            "azure app": lambda: some(ALNUM, 3) + pick("78") + "Q" + "~" + some(ALNUM + "_.~-", 34),
            "telegram": lambda: some("123456789", 9) + ":AA" + some(SAFE, 33),
        }  # fmt: skip

    def _jwt(self) -> str:
        def part(value: object) -> str:
            text = json.dumps(value).encode()
            return base64.urlsafe_b64encode(text).decode().rstrip("=")

        claims = {"sub": self.word(), "iat": 1700000000, "jti": self.some(HEX, 12)}
        signature = base64.urlsafe_b64encode(self.raw(32)).decode().rstrip("=")
        return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{signature}"

    def pem(self) -> str:
        kind = self.pick(["RSA ", "EC ", "OPENSSH ", "", "DSA "])
        body = self.b64(self.chance.randint(120, 700))
        lines = [body[at : at + 64] for at in range(0, len(body), 64)]
        mark = f"{kind}PRIVATE " + "KEY-----"
        return "\n".join([f"-----BEGIN {mark}", *lines, f"-----END {mark}"])

    # -- secrets that are known by what they are called ------------------------------------------

    def password(self) -> str:
        """A password as people and machines make them: no form, so only its name tells."""
        how = self.chance.randrange(4)
        if how == 0:
            return self.some(ALNUM, 12, 24)
        if how == 1:
            return self.some(ALNUM + "!@%^*-_+=", 12, 20) + self.pick(ALNUM)
        if how == 2:
            return f"{self.word().title()}-{self.word().title()}{self.some(string.digits, 2, 4)}!"
        return self.some(HEX, 32, 64)

    NAMES = (
        "DB_PASSWORD", "POSTGRES_PASSWORD", "MYSQL_ROOT_PASSWORD", "SMTP_PASSWD", "ADMIN_PWD",
        "API_KEY", "STRIPE_API_KEY", "SECRET_KEY", "CLIENT_SECRET", "JWT_SECRET", "SESSION_SECRET",
        "ACCESS_TOKEN", "AUTH_TOKEN", "REDIS_PASSWORD", "LDAP_BIND_PASSWORD", "WEBHOOK_SECRET",
        "ENCRYPTION_KEY", "AWS_SECRET_ACCESS_KEY", "KEYSTORE_PASSPHRASE", "REGISTRY_TOKEN",
    )  # fmt: skip

    def keyed(self) -> tuple[str, str]:
        """Return a name and the secret under it."""
        name = self.pick(self.NAMES)
        if name == "AWS_SECRET_ACCESS_KEY":
            return name, self.some(ALNUM + "/+", 40)
        return name, self.password()

    # -- files -----------------------------------------------------------------------------------

    def settings(self) -> list[tuple[str, str]]:
        """Return harmless settings."""
        pool = [
            ("LOG_LEVEL", self.pick(["info", "debug", "warning"])),
            ("PORT", str(self.chance.randint(1024, 65000))),
            ("DATABASE_HOST", f"{self.word()}.internal.example.com"),
            ("CACHE_URL", f"redis://{self.word()}:6379/0"),
            ("REGION", self.pick(["eu-west-1", "us-east-1", "europe-west4"])),
            ("RELEASE", self.some(HEX, 40)),
            ("INSTANCE_ID", str(uuid.UUID(bytes=self.raw(16)))),
            ("WORKERS", str(self.chance.randint(1, 64))),
            ("FEATURES", ",".join(self.chance.sample(WORDS, 3))),
            ("STATIC_DIR", f"/srv/{self.word()}/static"),
            ("IMAGE", f"registry.example.com/{self.word()}@sha256:{self.some(HEX, 64)}"),
            ("TOKEN_LIFETIME", str(self.chance.randint(60, 86400))),
            ("PASSWORD_MIN_LENGTH", str(self.chance.randint(8, 20))),
            ("SECRET_STORE", self.pick(["vault", "aws", "gcp"])),
            ("KEY_FILE", f"/etc/{self.word()}/tls.key"),
            ("API_KEY_HEADER", "X-Api-Key"),
        ]
        return self.chance.sample(pool, self.chance.randint(5, 10))

    def dotenv(self, pairs) -> tuple[str, str]:
        quote = self.pick(["", "", '"', "'"])
        lines = [f"{k}={quote}{v}{quote}" for k, v in pairs]
        return self.pick([".env", "web.env", "app.conf"]), "\n".join(["# settings", *lines]) + "\n"

    def shell(self, pairs) -> tuple[str, str]:
        lines = [f'export {k}="{v}"' for k, v in pairs]
        body = ["#!/bin/bash", "set -euo pipefail", *lines, "exec /usr/bin/web --serve"]
        return "start.sh", "\n".join(body) + "\n"

    def yaml(self, pairs) -> tuple[str, str]:
        quote = self.pick(["", '"'])
        lines = [f"  {k.lower()}: {quote}{v}{quote}" for k, v in pairs]
        return self.pick(["config.yaml", "values.yml"]), "\n".join(["app:", *lines]) + "\n"

    def compose(self, pairs) -> tuple[str, str]:
        lines = [f"      - {k}={v}" for k, v in pairs]
        head = ["services:", "  web:", "    image: nginx:1.27", "    environment:"]
        return "compose.yaml", "\n".join([*head, *lines]) + "\n"

    def json(self, pairs) -> tuple[str, str]:
        camel = {k.title().replace("_", ""): v for k, v in pairs}
        named = self.pick([dict(pairs), {k[0].lower() + k[1:]: v for k, v in camel.items()}])
        return "settings.json", json.dumps({"service": named}, indent=2) + "\n"

    def toml(self, pairs) -> tuple[str, str]:
        lines = [f"{k.lower()} = {json.dumps(v)}" for k, v in pairs]
        head = ['name = "web"', 'version = "3"', 'command = ["python3", "app.py"]', "[environment]"]
        return "immutable.toml", "\n".join([*head, *lines]) + "\n"

    def ini(self, pairs) -> tuple[str, str]:
        gap = self.pick([" = ", "="])
        lines = [f"{k.lower()}{gap}{v}" for k, v in pairs]
        return self.pick(["app.ini", "db.cnf", "app.properties"]), "\n".join(["[main]", *lines, ""])

    def unit(self, pairs) -> tuple[str, str]:
        lines = [f'Environment="{k}={v}"' for k, v in pairs]
        body = ["[Service]", *lines, "ExecStart=/usr/bin/web", "", "[Install]"]
        return "web.service", "\n".join(body) + "\n"

    def docker(self, pairs) -> tuple[str, str]:
        lines = [f"ENV {k}={v}" for k, v in pairs]
        return "Dockerfile", "\n".join(["FROM debian:12", *lines, "RUN apt-get update", ""])

    def python(self, pairs) -> tuple[str, str]:
        lines = [f"{k} = {v!r}" for k, v in pairs]
        return "settings.py", "\n".join(['"""Settings."""', "import os", *lines, ""])

    def terraform(self, pairs) -> tuple[str, str]:
        lines = [f"  {k.lower()} = {json.dumps(v)}" for k, v in pairs]
        return "main.tf", "\n".join(['resource "web" "main" {', *lines, "}", ""])

    def cloud_config(self, pairs) -> tuple[str, str]:
        inner = [f"      {k}={v}" for k, v in pairs]
        head = [
            "#cloud-config", f"hostname: {self.word()}", "packages: [nginx, curl]", "write_files:",
            "  - path: /etc/web.env", "    permissions: '0600'", "    content: |",
        ]  # fmt: skip
        tail = ["runcmd:", "  - systemctl restart web"]
        return "user-data.yaml", "\n".join([*head, *inner, *tail]) + "\n"

    def files(self):
        return [
            self.dotenv, self.shell, self.yaml, self.compose, self.json, self.toml, self.ini,
            self.unit, self.docker, self.python, self.terraform, self.cloud_config,
        ]  # fmt: skip

    def with_secret(self) -> Sample:
        """Return a plain file with one secret."""
        draw = self.chance.random()
        if draw < 0.42:
            name, value = self.keyed()
            return self._in_settings(name, value, f"named {name}")
        if draw < 0.80:
            kind = self.pick(list(self.tokens()))
            value = self.tokens()[kind]()
            return self._in_settings(self.pick(["UPSTREAM", "CREDENTIAL", "ACCESS"]), value, kind)
        special = [self._private_key, self._url, self._netrc, self._basic, self._docker_auth,
                   self._azure_storage, self._service_account, self._chpasswd, self._argument,
                   self._kubernetes, self._npmrc]  # fmt: skip
        return self.pick(special)()

    def _in_settings(self, name: str, value: str, kind: str) -> Sample:
        pairs = self.settings()
        pairs.insert(self.chance.randint(0, len(pairs)), (name, value))
        file, text = self.pick(self.files())(pairs)
        return _sample(file, text, value, kind)

    def _private_key(self) -> Sample:
        key = self.pem()
        if self.chance.random() < 0.5:
            return _sample("id_rsa", key + "\n", key.split("\n")[0], "private key")
        inner = "\n".join("      " + line for line in key.split("\n"))
        head = "#cloud-config\nwrite_files:\n  - path: /root/.ssh/id\n    content: |\n"
        return _sample("user-data", head + inner + "\n", key.split("\n")[0], "private key in yaml")

    def _url(self) -> Sample:
        scheme = self.pick(["postgresql", "mysql", "amqp", "redis", "mongodb+srv", "https"])
        secret = self.some(ALNUM + "-_", 12, 20)
        url = f"{scheme}://{self.word()}:{secret}@{self.word()}.example.com/{self.word()}"
        return self._in_settings("DATABASE_URL", url, "url")

    def _netrc(self) -> Sample:
        secret = self.password()
        text = f"machine git.example.com\n  login deploy\n  password {secret}\n"
        return _sample(".netrc", text, secret, "netrc")

    def _basic(self) -> Sample:
        coded = base64.b64encode(f"{self.word()}:{self.password()}".encode()).decode()
        text = f"#!/bin/sh\ncurl -H 'Authorization: Basic {coded}' https://api.example.com/v1\n"
        return _sample("fetch.sh", text, coded, "basic header")

    def _docker_auth(self) -> Sample:
        coded = base64.b64encode(f"{self.word()}:{self.password()}".encode()).decode()
        text = json.dumps({"auths": {"registry.example.com": {"auth": coded}}}, indent=2)
        return _sample("config.json", text + "\n", coded, "docker auth")

    def _azure_storage(self) -> Sample:
        key = self.b64(64)
        text = f"DefaultEndpointsProtocol=https;AccountName={self.word()};AccountKey={key};EndpointSuffix=core.windows.net"
        return self._in_settings("STORAGE", text, "azure storage")

    def _service_account(self) -> Sample:
        key = self.pem().replace("RSA ", "")
        document = {"type": "service_account", "project_id": self.word(), "private_key": key}
        text = json.dumps(document, indent=2) + "\n"
        return _sample("account.json", text, "PRIVATE " + "KEY-----", "service account")

    def _chpasswd(self) -> Sample:
        secret = self.password()
        text = f"#cloud-config\nchpasswd:\n  expire: false\n  list: |\n    root:{secret}\nssh_pwauth: true\n"
        return _sample("user-data", text, secret, "chpasswd")

    def _argument(self) -> Sample:
        secret = self.some(ALNUM, 14, 20)
        option = self.pick(["--password=", "--password ", "--token=", "--api-key "])
        text = f"#!/bin/sh\nset -e\n/usr/bin/agent register --server hub {option}{secret}\n"
        return _sample("join.sh", text, secret, "argument")

    def _kubernetes(self) -> Sample:
        coded = base64.b64encode(self.password().encode()).decode()
        text = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  password: {coded}\n"
        return _sample("secret.yaml", text, coded, "kubernetes")

    def _npmrc(self) -> Sample:
        secret = str(uuid.UUID(bytes=self.raw(16)))
        text = f"registry=https://npm.example.com/\n//npm.example.com/:_authToken={secret}\n"
        return _sample(".npmrc", text, secret, "npmrc")

    # -- clean files -----------------------------------------------------------------------------

    def clean(self) -> Sample:
        """Return a plain file that has no secret."""
        makers = [self._settings_only] * 5 + [
            self._lock, self._package_lock, self._hashes, self._dsse, self._certificate,
            self._references, self._docs, self._code, self._public_keys, self._workflow,
            self._templates, self._log, self._minified, self._sbom, self._cloud_clean,
            self._policy, self._jwks,
        ]  # fmt: skip
        return self.pick(makers)()

    def _settings_only(self) -> Sample:
        file, text = self.pick(self.files())(self.settings())
        return Sample(file, text.encode(), kind="settings")

    def _lock(self) -> Sample:
        lines = []
        for name in self.chance.sample(WORDS, 8):
            lines += [f"{name}==1.{self.chance.randint(0, 9)}.0 \\",
                      f"    --hash=sha256:{self.some(HEX, 64)} \\",
                      f"    --hash=sha256:{self.some(HEX, 64)}"]  # fmt: skip
        return Sample("requirements.txt", "\n".join(lines).encode(), kind="requirements")

    def _package_lock(self) -> Sample:
        found = {
            f"node_modules/{name}": {
                "version": "2.1.0",
                "resolved": f"https://registry.example.com/{name}/-/{name}-2.1.0.tgz",
                "integrity": f"sha512-{self.b64(64)}",
            }
            for name in (*self.chance.sample(WORDS, 6), "password-prompt", "token-types")
        }
        text = json.dumps({"lockfileVersion": 3, "packages": found}, indent=2)
        return Sample("package-lock.json", text.encode(), kind="package lock")

    def _hashes(self) -> Sample:
        lines = [f"{self.some(HEX, 64)}  {name}.tar.gz" for name in WORDS[:6]]
        lines += [f"commit {self.some(HEX, 40)}", f"etag: {self.some(HEX, 32)}"]
        return Sample("SHA256SUMS", "\n".join(lines).encode(), kind="checksums")

    def _dsse(self) -> Sample:
        statement = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "slsa",
                     "subject": [{"name": "web", "digest": {"sha256": self.some(HEX, 64)}}]}  # fmt: skip
        payload = base64.b64encode(json.dumps(statement).encode()).decode()
        signature = {"keyid": self.some(HEX, 64), "sig": self.b64(64)}
        text = json.dumps({"payload": payload, "payloadType": "application/vnd.in-toto+json",
                           "signatures": [signature]})  # fmt: skip
        return Sample("image.intoto.jsonl", text.encode(), kind="envelope")

    def _certificate(self) -> Sample:
        kind = self.pick(["CERTIFICATE", "PUBLIC KEY", "CERTIFICATE REQUEST"])
        body = self.b64(600)
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        text = f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"
        return Sample("ca.pem", text.encode(), kind="certificate")

    def _references(self) -> Sample:
        word = self.word()
        pairs = [
            ("DB_PASSWORD", f"vault://secret/{word}#password"),
            ("API_KEY", f"aws-sm://arn:aws:secretsmanager:eu-west-1:123456789012:secret:{word}-{self.some(ALNUM, 6)}"),
            ("JWT_SECRET", f"projects/{word}/secrets/jwt/versions/{self.chance.randint(1, 30)}"),
            ("SMTP_PASSWORD", f"gcp-sm://projects/{word}/secrets/smtp"),
            ("CLIENT_SECRET", f"azure-kv://{word}.vault.azure.net/secrets/client"),
            ("ADMIN_PASSWORD_FILE", f"/run/secrets/{word}"),
            ("REGISTRY_TOKEN", "env://REGISTRY_TOKEN"),
            ("TLS_KEY_PASSWORD", f"file:///run/keys/{word}"),
            ("ROOT_PASSWORD", f"/{word}/prod/root-password"),
            ("SESSION_SECRET", f"aws-ssm:///{word}/session?version=3"),
        ]  # fmt: skip
        file, text = self.pick(self.files())(self.chance.sample(pairs, 6))
        return Sample(file, text.encode(), kind="references")

    def _docs(self) -> Sample:
        word = self.word()
        placeholder = self.pick(["your-password-here", "<password>", "********", "changeme",
                                 "REPLACE_ME", "xxxxxxxx", "example", "..."])  # fmt: skip
        text = f"""# {word.title()}

Set `DB_PASSWORD` before you start the service. The password must have 12 characters.

    export DB_PASSWORD={placeholder}
    export API_KEY="<your-api-key>"
    psql "postgresql://user:password@localhost/{word}"

- secret: see the wiki for who may read it
- Token: rotate it every 90 days
- `client_secret` is read from the vault; never write it here
"""
        return Sample("README.md", text.encode(), kind="docs")

    def _code(self) -> Sample:
        text = f'''"""Logging in."""
import os
from getpass import getpass

PASSWORD_FIELD = "password"
SECRET_NAME = "{self.word()}-database"

def login(user, password=None, token=None):
    password = password or os.environ["DB_PASSWORD"]
    secret = os.getenv("CLIENT_SECRET", "")
    api_key = config.get("api_key")
    token = request.headers["Authorization"].removeprefix("Bearer ")
    if password == "":
        raise ValueError("password: must not be empty")
    private_key = load_key(path, password=getpass("Password: "))
    return connect(user, password=password, token=token, passwd=None)
'''
        return Sample("login.py", text.encode(), kind="code")

    def _public_keys(self) -> Sample:
        lines = [f"ssh-ed25519 {self.b64(51)} {name}@example.com" for name in WORDS[:3]]
        lines.append(f"ssh-rsa {self.b64(279)} deploy")
        return Sample("authorized_keys", "\n".join(lines).encode(), kind="public keys")

    def _workflow(self) -> Sample:
        text = f"""name: deploy
on: [push]
permissions: {{id-token: write, contents: read}}
jobs:
  web:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@{self.some(HEX, 40)}
      - run: ./deploy.sh
        env:
          DB_PASSWORD: ${{{{ secrets.DB_PASSWORD }}}}
          API_KEY: $API_KEY
          TOKEN: ${{TOKEN:?missing}}
"""
        return Sample("deploy.yml", text.encode(), kind="workflow")

    def _templates(self) -> Sample:
        text = """password: {{ vault_db_password }}
api_key: {{ lookup('env', 'API_KEY') }}
secret_key: "{{ secret_key | default('') }}"
db_pass: %DB_PASS%
client_secret: !vault_ref kv/web
token: null
password: ""
admin_password: ~
auth_token: @auth_token@
"""
        return Sample("group_vars.yml", text.encode(), kind="templates")

    def _log(self) -> Sample:
        lines = [
            f"2026-01-{day:02} 10:00:00 request={uuid.UUID(bytes=self.raw(16))} user={self.word()}"
            f" trace={self.some(HEX, 32)} password changed, token expired: renewed"
            for day in range(1, 9)
        ]
        return Sample("audit.log", "\n".join(lines).encode(), kind="log")

    def _minified(self) -> Sample:
        parts = [f'{self.some(ALNUM, 2)}=function({self.some("abc", 1)}){{return"{self.word()}"}}'
                 for _ in range(80)]  # fmt: skip
        text = ";".join(parts) + f";var icon='data:image/png;base64,{self.b64(400)}'"
        return Sample("app.min.js", text.encode(), kind="minified")

    def _sbom(self) -> Sample:
        components = [{"name": name, "purl": f"pkg:deb/debian/{name}@1.2-3",
                       "hashes": [{"alg": "SHA-256", "content": self.some(HEX, 64)}]}
                      for name in (*WORDS[:6], "libsecret", "passwd")]  # fmt: skip
        text = json.dumps({"bomFormat": "CycloneDX", "serialNumber": f"urn:uuid:{uuid.UUID(bytes=self.raw(16))}",
                           "components": components}, indent=1)  # fmt: skip
        return Sample("sbom.json", text.encode(), kind="sbom")

    def _cloud_clean(self) -> Sample:
        text = f"""#cloud-config
hostname: {self.word()}
ssh_pwauth: false
users:
  - name: deploy
    lock_passwd: true
    ssh_authorized_keys:
      - ssh-ed25519 {self.b64(51)} deploy
write_files:
  - path: /etc/web/secret-refs.json
    content: |
      {{"DB_PASSWORD": "vault://secret/{self.word()}#password"}}
runcmd:
  - aws secretsmanager get-secret-value --secret-id {self.word()} > /run/keys/db
  - chpasswd -e < /run/keys/hashes
"""
        return Sample("user-data", text.encode(), kind="cloud-config")

    def _policy(self) -> Sample:
        text = json.dumps({"Statement": [{
            "Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter"],
            "Resource": f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{self.word()}-*",
            "Condition": {"StringEquals": {"aws:RequestTag/secret": "true"}}}],
            "password_policy": {"min_length": 12}}, indent=2)  # fmt: skip
        return Sample("policy.json", text.encode(), kind="policy")

    def _jwks(self) -> Sample:
        key = {"kty": "RSA", "use": "sig", "kid": self.some(HEX, 16), "e": "AQAB",
               "n": base64.urlsafe_b64encode(self.raw(256)).decode().rstrip("=")}  # fmt: skip
        return Sample("jwks.json", json.dumps({"keys": [key]}, indent=1).encode(), kind="jwks")

    # -- wrapping --------------------------------------------------------------------------------

    def wrapped(self, plain: Sample) -> Sample:
        """Return a file as user data often is: in base64, compressed, in parts."""
        ways = [self._plain] * 3 + [
            self._base64, self._base64_lines, self._gzip, self._gzip_base64, self._mime,
            self._mime_gzip, self._written, self._piped,
        ]  # fmt: skip
        how, name, data = self.pick(ways)(plain)
        line = plain.line if how == "plain" else 0
        return Sample(name, data, plain.secret, plain.kind, how, line)

    def _plain(self, plain: Sample):
        return "plain", plain.name, plain.data

    def _base64(self, plain: Sample):
        return "base64", "user-data.b64", base64.b64encode(plain.data)

    def _base64_lines(self, plain: Sample):
        return "base64 in lines", "user-data.b64", base64.encodebytes(plain.data)

    def _gzip(self, plain: Sample):
        return "gzip", "user-data.gz", gzip.compress(plain.data, mtime=0)

    def _gzip_base64(self, plain: Sample):
        data = gzip.compress(plain.data, mtime=0)
        return "gzip in base64", "user-data", base64.b64encode(data)

    def _mime(self, plain: Sample):
        return "mime", "user-data.mime", self._parts(plain.data)

    def _mime_gzip(self, plain: Sample):
        data = gzip.compress(self._parts(plain.data), mtime=0)
        return "mime in gzip in base64", "user-data", base64.b64encode(data)

    def _parts(self, data: bytes) -> bytes:
        bound = "==" + self.some(string.digits, 16) + "=="
        coded = self.chance.random() < 0.5
        how = "base64" if coded else "7bit"
        body = base64.encodebytes(data) if coded else data
        other = b"#!/bin/sh\necho ready\n"
        head = f'Content-Type: multipart/mixed; boundary="{bound}"\nMIME-Version: 1.0\n\n'
        parts = [("text/cloud-config", "7bit", b"#cloud-config\npackages: [nginx]\n"),
                 ("text/x-shellscript", how, body), ("text/x-shellscript", "7bit", other)]  # fmt: skip
        text = head.encode()
        for kind, coding, each in parts:
            text += (
                f"--{bound}\nContent-Type: {kind}\nContent-Transfer-Encoding: {coding}\n\n".encode()
            )
            text += each + b"\n"
        return text + f"--{bound}--\n".encode()

    def _written(self, plain: Sample):
        """A file that cloud-init writes, compressed."""
        coded = base64.b64encode(gzip.compress(plain.data, mtime=0)).decode()
        text = f"#cloud-config\nwrite_files:\n  - encoding: gz+b64\n    path: /etc/x\n    content: {coded}\n"
        return "gz+b64 in cloud-config", "user-data", text.encode()

    def _piped(self, plain: Sample):
        coded = base64.b64encode(plain.data).decode()
        text = (
            f"#!/bin/bash\nset -e\necho {coded} | base64 -d > /etc/web.env\nsystemctl restart web\n"
        )
        return "base64 in a script", "setup.sh", text.encode()


def _sample(name: str, text: str, secret: str, kind: str) -> Sample:
    spelled = next(s for s in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]) if s in text)
    line = text[: text.index(spelled)].count("\n") + 1
    return Sample(name, text.encode(), secret, kind, "plain", line)


def corpus(seed: int, each: int = 150) -> list[Sample]:
    """Return so many files with a secret, and as many without, made by a seed."""
    maker = Maker(seed)
    dirty = [maker.wrapped(maker.with_secret()) for _ in range(each)]
    clean = [maker.wrapped(maker.clean()) for _ in range(each)]
    assert len({hashlib.sha256(s.data).digest() for s in dirty}) == each
    return dirty + clean
