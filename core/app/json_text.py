"""JSON for standard output."""

from __future__ import annotations

import json
import sys
from typing import Any


def json_text(value: Any, indent: int | None = None) -> str:
    """`value` as JSON; letters are written as they are, or escaped where standard output's encoding lacks one."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text
