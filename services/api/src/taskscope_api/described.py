"""What a field is, said where it stands: `Annotated[str, says("The queue", "vod")]`. The OpenAPI document reads it there."""

from typing import Annotated

import msgspec


def says(sentence: str, *examples: object, **schema: object) -> msgspec.Meta:
    """A field's sentence and examples; `schema` is added to its JSON Schema as it is."""
    return msgspec.Meta(description=sentence, examples=list(examples) or None, extra_json_schema=schema or None)


Time = Annotated[str, msgspec.Meta(examples=["2026-03-01T09:30:00.250Z"], extra_json_schema={"format": "date-time"})]
"""RFC 3339 in UTC with milliseconds."""
Seconds = Annotated[float, msgspec.Meta(examples=[12.5])]
"""A duration."""
Count = Annotated[int, msgspec.Meta(ge=0, examples=[1204])]
"""How many there are."""
Token = Annotated[str, msgspec.Meta(examples=["lQGrLXVwZGF0ZWRfYXQ"])]
"""What clients hand back without looking inside."""
Flag = Annotated[bool, msgspec.Meta(examples=[True])]
Stale = Annotated[Flag, says("Whether anything shown may be behind; the header X-Taskscope-Stale says what is away")]
"""As every body has it that is read from memory."""
