"""Pages of a list, with AWS's tokens between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .calls import Call
from .errors import AwsError

T = TypeVar("T")


def page(
    items: Sequence[T], call: Call, *, most: int, usual: int
) -> tuple[Sequence[T], dict[str, str]]:
    """The items that a call asks for, and the token of the next ones, if there are any.

    Raises:
        AwsError: `InvalidNextToken`; `ValidationError` for more than `most` a page.
    """
    size = int(call.get("MaxRecords") or usual)
    if size > most:
        raise AwsError("ValidationError", f"MaxRecords must be at most {most}")
    token = call.get("NextToken")
    if token is not None and not token.isdigit():
        raise AwsError("InvalidNextToken", "The NextToken value is not valid.")
    start = int(token or 0)
    rest = {"NextToken": str(start + size)} if start + size < len(items) else {}
    return items[start : start + size], rest
