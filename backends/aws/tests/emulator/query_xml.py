"""Results as XML, in the shape that the service model says: AWS's query protocol, and EC2's."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import OperationModel, Shape


def result_xml(shape: OperationModel, result: dict[str, Any], request_id: str, *, ec2: bool) -> str:
    """The whole answer.

    Raises:
        ValueError: the result has a member that the model does not have.
    """
    out: list[str] = []
    if shape.output_shape is not None:
        _structure(out, shape.output_shape, result, ec2=ec2)
    inner, name = "".join(out), shape.name
    if ec2:
        return f"<{name}Response><requestId>{request_id}</requestId>{inner}</{name}Response>"
    if shape.output_shape is not None:
        wrapper = shape.output_shape.serialization.get("resultWrapper", f"{name}Result")
        inner = f"<{wrapper}>{inner}</{wrapper}>"
    space = shape.service_model.metadata.get("xmlNamespace", "")
    space = space if isinstance(space, str) else space.get("uri", "")
    meta = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    return f'<{name}Response xmlns="{space}">{inner}{meta}</{name}Response>'


def error_xml(code: str, message: str, status: int, request_id: str, *, ec2: bool) -> str:
    """An error, as the service writes it."""
    text = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if ec2:
        inner = f"<Errors><Error>{text}</Error></Errors><RequestID>{request_id}</RequestID>"
        return f"<Response>{inner}</Response>"
    side = "Receiver" if status >= 500 else "Sender"
    error = f"<Error><Type>{side}</Type>{text}</Error>"
    return f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"


def _write(out: list[str], shape: Shape, name: str, value: Any, *, ec2: bool) -> None:
    kind = shape.type_name
    if kind == "list" and shape.serialization.get("flattened"):
        for each in value:
            _write(out, shape.member, name, each, ec2=ec2)
        return
    out.append(f"<{name}>")
    if kind == "structure":
        _structure(out, shape, value, ec2=ec2)
    elif kind == "list":
        item = shape.member.serialization.get("name", "item" if ec2 else "member")
        for each in value:
            _write(out, shape.member, item, each, ec2=ec2)
    elif kind == "map":
        for key, each in value.items():
            out.append("<entry>")
            _write(out, shape.key, "key", key, ec2=ec2)
            _write(out, shape.value, "value", each, ec2=ec2)
            out.append("</entry>")
    else:
        out.append(_text(kind, value))
    out.append(f"</{name}>")


def _structure(out: list[str], shape: Shape, value: dict[str, Any], *, ec2: bool) -> None:
    members = shape.members
    for key, each in value.items():
        if key not in members:
            raise ValueError(f"{shape.name} has no member {key}; it has {sorted(members)}")
        if each is not None:
            name = members[key].serialization.get("name", key)
            _write(out, members[key], name, each, ec2=ec2)


def _text(kind: str, value: Any) -> str:
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        stamp: datetime = value
        return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03}Z"
    return escape(str(value))
