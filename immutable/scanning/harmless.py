"""What stands where a secret could stand, and is none: references, checksums, placeholders."""

from __future__ import annotations

import re

__all__ = ["is_harmless"]

_REFERENCE = re.compile(
    r"""(?x)
      [a-z][a-z0-9+.-]*://(?:[^:@/\s]*@)?[^:@\s]*      # SecretRef: scheme://path, no password in it
    | [a-z][a-z0-9+.-]*://[^@\s]*                      # the same with colons, such as an ARN
    | arn:[a-z-]+:[\w:/.*-]+
    | projects/[^/\s]+/secrets/[^/\s]+(?:/versions/\w+)?
    | (?:~|\.{1,2})?/[\w.@%+/-]+                       # a file, or a parameter's path
    | (?:file|env|secret|vault|kv|ref|ssm|[a-z]*kms)[:/][\w./#-]+
    """
)
_CHECKSUM = re.compile(
    r"(?:sha(?:1|256|384|512)|md5)[:-][A-Za-z0-9+/=]{20,}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}@\w+"
)
_FILLED_IN_LATER = re.compile(
    r"""(?x)
      \$[\w({].*  | .*\$\{.* | .*\{\{.*\}\}.* | .*<%.*%>.* | .*\{[\w.()\ ]*\}.*  # shells, templates
    | <[^<>]*> | %\w+%? | @\w+@ | \{[\w.:-]*\} | \[[\w .-]*\] | !\w+\ .+ | \#\ .*
    | [*x.•_#-]{3,} | [*x.]+
    """,
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"""(?xi)
      .*(?:your|my|some|the|insert|enter|put|replace|example|placeholder|dummy|sample|fake|redacted
        |change[-_ ]?me|change[-_ ]?it|fixme|todo|goes[-_ ]here|to[-_ ]be[-_ ]set)
        (?:[-_ ].*)?
    | (?:test|foo|bar|baz|secret|password|passwd|pass|pwd|token|key|api[-_]?key|user|username|admin)
    | (?:null|nil|none|undefined|true|false|yes|no|on|off|default|required|optional|empty|unset
        |disabled|enabled|read|write|string|str|bytes|text|int|prompt|ask|auto|generated?|random|vault|aws|gcp
        |azure|file|env|environment|ssm|stdin|hidden|always|never)
    | ~ | -
    """
)
_CODE = re.compile(
    r"[A-Za-z_][\w.]*\s*[(\[].*"  # a call, a look-up
    r"|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+;?"  # an attribute
    r"|(?:lambda|await|not|new|return|if|for)\b.*"
)
_NUMBER = re.compile(r"[0-9][0-9._:, -]*(?:ms|s|m|h|d|k|kb|mb|gb|days?|hours?)?", re.IGNORECASE)


def is_harmless(value: str) -> bool:
    """Whether a value is no secret, though it stands under the name of one.

    >>> [is_harmless(each) for each in ("vault://kv/web#password", "${DB_PASSWORD}", "<password>")]
    [True, True, True]
    >>> is_harmless("correct-horse-9")
    False

    Args:
        value: The value, without quotes.
    """
    value = value.strip().strip("\"'`,;")
    if not value or _REFERENCE.fullmatch(value) or _CHECKSUM.fullmatch(value):
        return True
    if _FILLED_IN_LATER.fullmatch(value) or _PLACEHOLDER.fullmatch(value):
        return True
    return bool(_NUMBER.fullmatch(value) or _CODE.fullmatch(value) or _is_prose(value))


def _is_prose(value: str) -> bool:
    """Whether it is words: three or more of them, or short ones without a digit or a mark."""
    words = value.split()
    plain = [word for word in words if re.fullmatch(r"[A-Za-z]+'?[a-z]*[.,:;!?)]?", word)]
    return len(words) > 1 and len(plain) * 3 >= len(words) * 2
