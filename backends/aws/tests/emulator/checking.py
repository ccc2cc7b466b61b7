"""Requests against the service model: types, what is required, enumerations, lengths, ranges."""

from __future__ import annotations

from typing import Any

from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

from .errors import AwsError


def check(operation: OperationModel, params: dict[str, Any]) -> None:
    """Hold parameters against the model, as AWS's front end does.

    "Common Errors", ValidationError: the input fails to satisfy the constraints of the service
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html).

    Raises:
        AwsError: `ValidationError` with everything that is wrong.
    """
    if operation.input_shape is None:
        return
    report = ParamValidator().validate(params, operation.input_shape)
    if report.has_errors():
        raise AwsError("ValidationError", report.generate_report())
    wrong: list[str] = []
    _walk(operation.input_shape, params, "", wrong)
    if wrong:
        count = f"{len(wrong)} validation error{'s' * (len(wrong) > 1)} detected: "
        raise AwsError("ValidationError", count + "; ".join(wrong))


def _walk(shape: Shape, value: Any, path: str, wrong: list[str]) -> None:
    kind = shape.type_name
    if kind == "structure":
        for name, each in value.items():
            _walk(shape.members[name], each, f"{path}.{name}" if path else name, wrong)
    elif kind == "list":
        _size(shape, len(value), path, wrong, "have length")
        for index, each in enumerate(value):
            _walk(shape.member, each, f"{path}.{index + 1}.member", wrong)
    elif kind == "map":
        for each in value.values():
            _walk(shape.value, each, path, wrong)
    elif kind == "string":
        _string(shape, str(value), path, wrong)
    elif kind in {"integer", "long", "float", "double"}:
        _size(shape, value, path, wrong, "have value")


def _string(shape: Shape, value: str, path: str, wrong: list[str]) -> None:
    _size(shape, len(value), path, wrong, "have length")
    allowed = getattr(shape, "enum", None)
    if allowed and value not in allowed:
        said = f"enum value set: [{', '.join(allowed)}]"
        wrong.append(f"Value '{value}' at '{path}' failed to satisfy constraint: {said}")


def _size(shape: Shape, size: float, path: str, wrong: list[str], what: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        wrong.append(f"Value at '{path}' failed to satisfy constraint: must {what} >= {low}")
    if high is not None and size > high:
        wrong.append(f"Value at '{path}' failed to satisfy constraint: must {what} <= {high}")
