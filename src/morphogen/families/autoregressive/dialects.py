r"""Regular expressions and JSON schemas as their standards define them, for a parser that differs in details.

    \d \w \s      ASCII, as in JSON Schema's ECMAScript and in Python's re.ASCII; the parser means all scripts
    format        an annotation: an unknown one is ignored, with a note; the parser refuses it

No paper: JSON Schema, draft 2020-12, sections 6.4 and 7.
"""

__all__ = ["ascii_classes", "standard_schema"]

import re
from collections.abc import Mapping
from typing import Any

FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\r\f\v"}
# where a schema has subschemas: one, a list, or by name
SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


def ascii_classes(regex: str) -> str:
    r"""The expression with ASCII classes in place of \d, \w, \s, \D, \W and \S.

    >>> ascii_classes(r"\d{4}-[\w.]\\d")
    '[0-9]{4}-[A-Za-z0-9_.]\\\\d'
    """
    parts, depth = [], 0
    for part in re.findall(r"\\.|\[\^?\]?|[^\\\[]|\\", regex, re.DOTALL):
        depth += part.startswith("[")
        depth -= part == "]" and depth > 0
        letters = CLASSES.get(part[1:].lower()) if part.startswith("\\") else None
        if letters is None:
            parts.append(part)
        elif part[1:].isupper():
            parts.append(f"[^{letters}]")
        else:
            parts.append(letters if depth else f"[{letters}]")
    return "".join(parts)


def standard_schema(schema: Any, ignored: dict[str, None]) -> Any:
    """The schema without unknown formats, and with ASCII classes in its patterns.

    Arguments:
        schema: a schema, or a boolean.
        ignored: the formats that were left out are added to it.
    """
    if not isinstance(schema, Mapping):
        return schema
    result = dict(schema)
    if isinstance(name := schema.get("format"), str) and name not in FORMATS:
        ignored[name] = None
        del result["format"]
    if isinstance(pattern := schema.get("pattern"), str):
        result["pattern"] = ascii_classes(pattern)
    for key in SINGLE:
        if isinstance(part := schema.get(key), Mapping):
            result[key] = standard_schema(part, ignored)
    for key in LISTS:
        if isinstance(part := schema.get(key), list):
            result[key] = [standard_schema(each, ignored) for each in part]
    for key in NAMED:
        if isinstance(part := schema.get(key), Mapping):
            result[key] = {
                ascii_classes(name) if key == "patternProperties" else name: standard_schema(each, ignored)
                for name, each in part.items()
            }
    return result
