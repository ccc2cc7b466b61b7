"""From bytes to a checked call, and from a result to bytes: botocore's own service models decide."""

from __future__ import annotations

import functools
import json
import re
import uuid
from typing import Any
from urllib.parse import parse_qsl

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.serialize import create_serializer
from botocore.utils import parse_timestamp
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.utils import get_service_model as moto_model

from .calls import Call
from .checking import check
from .errors import AwsError, NotEmulated
from .query_xml import error_xml, result_xml

# Signing names are not always the names of services:
# https://docs.aws.amazon.com/general/latest/gr/signing-elements.html (credential scope).
SERVICES = {
    "autoscaling": "autoscaling",
    "ec2": "ec2",
    "elasticloadbalancing": "elbv2",
    "iam": "iam",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "ssm": "ssm",
    "sts": "sts",
}
SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")


@functools.cache
def model(service: str) -> ServiceModel:
    """The service model that boto3 itself uses."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@functools.cache
def operation(service: str, action: str) -> OperationModel:
    """What the model says about an action.

    Raises:
        NotEmulated: there is no such action.
    """
    if action not in model(service).operation_names:
        raise NotEmulated(f"{service}:{action}: botocore's model has no such action")
    return model(service).operation_model(action)


def protocol(service: str) -> str:
    """How the service is spoken to: `query`, `ec2` or `json`."""
    if service == "cloudwatch":
        return "json"
    return str(model(service).protocol)


def understand(headers: dict[str, str], body: bytes) -> Call:
    """The call that a request makes, checked against the service's model.

    Raises:
        NotEmulated: a service, action or parameter that the model or the emulator does not know.
        AwsError: a value that the model forbids.
    """
    scope = SCOPE.search(headers.get("authorization", ""))
    if scope is None:
        raise NotEmulated("requests that are not signed")
    key, region, signed = scope.groups()
    if signed not in SERVICES:
        raise NotEmulated(f"the service {signed!r}")
    service = SERVICES[signed]
    request_id = str(uuid.uuid4())
    if protocol(service) == "json":
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        call = _json_call(service, action, body, region, request_id)
        call.key = key
        return call
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    call = _form_call(service, form, region, request_id)
    call.key = key
    return call


def _json_call(service: str, action: str, body: bytes, region: str, request_id: str) -> Call:
    if not action:
        raise NotEmulated(f"{service} in another protocol than JSON")
    params = json.loads(body or b"{}")
    call = Call(service, action, params, region, request_id)
    check(operation(service, action), params)
    return call


def _form_call(service: str, form: dict[str, str], region: str, request_id: str) -> Call:
    action = form.get("Action", "")
    shape = operation(service, action)
    parser = PROTOCOL_PARSERS[protocol(service)]
    moto_operation = moto_model(service).operation_model(action)
    sent: Any = {"values": form, "headers": {}, "body": "", "method": "POST"}
    parsed = parser(moto_operation, timestamp_parser=parse_timestamp).parse(
        sent | {"url_params": {}, "url_path": "/"}
    )
    call = Call(service, action, parsed, region, request_id, form)
    _nothing_left(service, shape, form, parsed)
    check(shape, parsed)
    return call


def _nothing_left(
    service: str, shape: OperationModel, form: dict[str, str], parsed: dict[str, Any]
) -> None:
    """Write what was understood down again: a field that is missing then was not understood."""
    again = create_serializer(protocol(service), include_validation=False)
    fields = set(again.serialize_to_request(parsed, shape)["body"])
    # A list that is sent empty is one empty field, and nothing when it is written again.
    if unknown := sorted(k for k in set(form) - fields if form[k] != ""):
        raise NotEmulated(f"the parameters {unknown} of {service}:{shape.name}")


def answer(call: Call, result: dict[str, Any] | None) -> tuple[int, dict[str, str], bytes]:
    """A result as status, headers and body."""
    shape = operation(call.service, call.action)
    if protocol(call.service) == "json":
        body = json.dumps(result or {}, default=lambda value: value.timestamp())
        return 200, _json_headers(call), body.encode()
    body = result_xml(shape, result or {}, call.request_id, ec2=call.service == "ec2")
    return 200, _headers(call.request_id), body.encode()


def refusal(
    call: Call | None, error: AwsError, service: str = "ec2"
) -> tuple[int, dict[str, str], bytes]:
    """An error as status, headers and body."""
    service = call.service if call else service
    request_id = call.request_id if call else "none"
    if service == "s3":
        said = f"<Error><Code>{error.code}</Code><Message>{error.message}</Message></Error>"
        return error.status, _headers(request_id), said.encode()
    if service not in SERVICES.values() or protocol(service) == "json":
        said = json.dumps({"__type": error.code, "message": error.message})
        return error.status, _json_headers(call), said.encode()
    body = error_xml(error.code, error.message, error.status, request_id, ec2=service == "ec2")
    return error.status, _headers(request_id), body.encode()


def service_of(headers: dict[str, str]) -> str:
    """Whose language to refuse in, when the request was not understood."""
    scope = SCOPE.search(headers.get("authorization", ""))
    return SERVICES.get(scope.group(3), scope.group(3)) if scope else "ec2"


def _headers(request_id: str) -> dict[str, str]:
    return {"Content-Type": "text/xml;charset=UTF-8", "x-amzn-RequestId": request_id}


def _json_headers(call: Call | None) -> dict[str, str]:
    request_id = call.request_id if call else "none"
    return {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": request_id}
