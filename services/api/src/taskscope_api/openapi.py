"""The OpenAPI document. Routes say what they take and answer, fields what they are; here it is only put together."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import msgspec
from quart import Quart
from quart_schema import OpenAPIProvider, QuartSchema, document_response
from quart_schema.validation import QUART_SCHEMA_QUERYSTRING_ATTRIBUTE
from werkzeug.routing import BaseConverter, Rule

from taskscope_api import problem_answers
from taskscope_api.access.sessions import HOST_NAME, PLAIN_NAME
from taskscope_api.answer_schemas import answer_schemas
from taskscope_api.errors import MEDIA_TYPE, Problem
from taskscope_api.principals import ROLE_ATTRIBUTE, OpenAccess, Role, View
from taskscope_api.queries import PathParameters
from taskscope_api.schema_examples import REFERENCE, Schema, example_of, resolved

Json = dict[str, Any]

DESCRIPTION = """\
Times are RFC 3339 in UTC with milliseconds, durations seconds as numbers. What is null because it cannot be known says why in
`unknown`. Lists come by pages: give `next_cursor` as `cursor`, with the same parameters, for the page behind. A parameter that
may hold several values (at most 100, of 512 characters) repeats, or holds them between commas; an empty one counts as left out,
and one that a route does not take is an error. Errors are RFC 9457 problems, whose `field` names what is wrong. Every answer
has an `X-Request-Id`: the one that was sent, or a new one.

`WS /api/ws`, `GET /api/stream` and `/socket.io/` (for the stock socket.io-client) push the same tasks as they change:
`/asyncapi.json` describes what they say.
"""
TAGS = {
    "tasks": "What goes on now, lists with filters, single tasks.",
    "analytics": "What ended in a window of time, summed up.",
    "stream": "Tasks pushed as they change, as server-sent events.",
    "cluster": "Workers, queues, sources and kinds.",
    "engines": "The tasks and workers of one engine.",
    "session": "Who one is, signing in and out.",
    "health": "How the api and what it depends on are.",
    "documentation": "What describes the api.",
}
"""Blueprint -> what it is about."""
HEADERS = {
    "X-Request-Id": (
        "The request's id, as in the api's log",
        {"type": "string", "examples": ["9f86d081884c7d65"]},
    ),
    "Cache-Control": ("Whether the answer may be kept", {"type": "string", "examples": ["no-store"]}),
    "ETag": (
        "Send it as `If-None-Match`: 304 says that nothing changed",
        {"type": "string", "examples": ['W/"5d41402abc4b2a76"']},
    ),
    "X-Taskscope-Stale": (
        "What is shown may be behind: `redis` is away, or the collectors of `sources=` are silent; else it is not there",
        {"type": "string", "examples": ["sources=archivist"]},
    ),
    "Allow": ("The methods that the path takes", {"type": "string", "examples": ["GET, HEAD, OPTIONS"]}),
    "Retry-After": ("Seconds to wait before asking again", {"type": "integer", "examples": [5]}),
    "WWW-Authenticate": ("How one says who one is", {"type": "string", "examples": ['Bearer realm="taskscope"']}),
    "Content-Disposition": ("A file's name", {"type": "string", "examples": ['attachment; filename="taskscope-tasks.csv"']}),
}
ON_SUCCESS = ("X-Request-Id", "Cache-Control")
OF_STATE = ("ETag", "X-Taskscope-Stale")
"""With an answer that is more than the process's own state."""
NOT_MODIFIED = "Nothing changed since the answer whose `ETag` came as `If-None-Match`."
SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": (
            "`Authorization: Bearer ...` with an API token (`ts_...`), or with a token of the provider or of the cluster where "
            "those are taken. GET `/api/session` says which modes are on; in the mode `none` nobody is asked."
        ),
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": HOST_NAME,
        "description": (
            f"What a browser gets by POST `/api/session` (without TLS it is called `{PLAIN_NAME}`). What changes something "
            "needs an `Origin` header with it, too."
        ),
    },
}
OTHER_MEDIA = "_taskscope_other_media"


def also_as(media: str, example: str) -> Callable[[View], View]:
    """Declare that a route answers as text of this media type, too."""

    def decorate(view: View) -> View:
        setattr(view, OTHER_MEDIA, {**getattr(view, OTHER_MEDIA, {}), media: example})
        return view

    return decorate


class Text:
    """An answer that is text alone."""

    media: str
    says: str
    example: str


def answers_text(media: str, sentence: str, example: str) -> Callable[[View], View]:
    """Declare that a route answers as text of this media type alone."""
    answer = type("Text", (Text,), {"media": media, "says": sentence, "example": example})
    declare: Callable[[View], View] = document_response(answer)
    return declare


class Provider(OpenAPIProvider):
    """quart-schema's own drops what a msgspec struct refers to, and says little of errors."""

    def build_response_object(self, model: Any, headers_model: Any) -> tuple[Json, Json]:  # noqa: ANN401, ARG002
        """The answer's schema with an example, and its components."""
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in ON_SUCCESS}
        if issubclass(model, Text):
            content = {model.media: {"schema": {"type": "string"}, "example": model.example}}
            return {"description": f"{model.says}.", "headers": headers, "content": content}, {}
        components = answer_schemas([model])
        schema = {"$ref": REFERENCE.format(name=model.__name__)}
        media = MEDIA_TYPE if model is Problem else "application/json"
        described = {"schema": schema, "example": example_of(schema, components, model.__name__)}
        return {"description": _first_line(model), "headers": headers, "content": {media: described}}, components

    def build_request_body(self, model: Any, source: Any) -> tuple[Json, Json]:  # noqa: ANN401, ARG002 - all bodies are JSON
        """The body's schema with an example, and its components."""
        (schema,), components = msgspec.json.schema_components([model], ref_template=REFERENCE)
        content = {"schema": schema, "example": example_of(schema, components, model.__name__)}
        return {"description": _first_line(model), "required": True, "content": {"application/json": content}}, components

    def build_querystring_parameters(self, model: Any) -> tuple[list[Json], Json]:  # noqa: ANN401
        """A parameter for each field of the query's struct, and the components that they refer to."""
        components = msgspec.json.schema_components([model], ref_template=REFERENCE)[1]
        properties = components.pop(model.__name__).get("properties", {})
        return [parameter(name, "query", schema, components) for name, schema in properties.items()], components

    def build_headers_parameters(self, model: Any) -> tuple[list[Json], Json]:  # noqa: ANN401
        """A parameter for each field of the headers' struct."""
        properties = msgspec.json.schema_components([model])[1][model.__name__]["properties"]
        return [parameter(name, "header", schema, {}) for name, schema in properties.items()], {}

    def build_path_parameter(self, name: str, converter: BaseConverter) -> Json:  # noqa: ARG002
        """As `PathParameters` says."""
        properties = msgspec.json.schema_components([PathParameters])[1][PathParameters.__name__]["properties"]
        return parameter(name, "path", properties[name], {})

    def build_paths(self, rule: Rule) -> tuple[Json, Json]:
        """The operations of a route, with all that it may answer."""
        paths, components = super().build_paths(rule)
        view = self._app.view_functions[rule.endpoint]
        for path in paths.values():
            for operation in path.values():
                self._complete(operation, view, rule)
                _offer_parts(operation, components)
        return paths, components

    def _complete(self, operation: Json, view: Callable[..., Any], rule: Rule) -> None:
        operation["summary"] = operation["summary"].replace("`", "")  # it is plain text, a description is not
        operation["tags"] = [rule.endpoint.partition(".")[0]]
        asks = _has_principal(view) and self._app.extensions["taskscope"].access.modes != OpenAccess.modes
        operation["security"] = [{name: []} for name in SECURITY_SCHEMES] if asks else [{}]
        if not operation.get("description"):
            operation.pop("description", None)
        responses = {str(status): response for status, response in operation["responses"].items()}
        for media, example in getattr(view, OTHER_MEDIA, {}).items():
            responses["200"]["content"][media] = {"schema": {"type": "string"}, "example": example}
            responses["200"]["headers"]["Content-Disposition"] = {"$ref": "#/components/headers/Content-Disposition"}
        if _has_principal(view) and "application/json" in responses["200"]["content"]:
            for name in OF_STATE:
                responses["200"]["headers"][name] = {"$ref": f"#/components/headers/{name}"}
            responses["304"] = {"description": NOT_MODIFIED, "headers": responses["200"]["headers"]}
        for status in (*_declared(responses), *_implied(view, rule)):
            responses[str(status)] = problem_answers.reference_to(status)
        operation["responses"] = dict(sorted(responses.items()))


def _offer_parts(operation: Json, components: Json) -> None:
    """Where `fields` chooses members, items may have some of them alone."""
    content = operation["responses"]["200"]["content"].get("application/json")
    if content is None or all(one["name"] != "fields" for one in operation["parameters"]):
        return
    whole = content["schema"]
    page = resolved(whole, components)
    reference = page["properties"]["items"]["items"]
    row = resolved(reference, components)
    row_part, page_part = f"{row['title']}Part", f"{page['title']}Part"
    components[row_part] = {**_without(row, "required"), "title": row_part, "description": "The members that `fields` names."}
    properties = {
        name: {**field, "items": {"$ref": REFERENCE.format(name=row_part)}} if field.get("items") == reference else field
        for name, field in page["properties"].items()
    }
    components[page_part] = {**page, "title": page_part, "description": "A page of parts.", "properties": properties}
    content["schema"] = {"anyOf": [whole, {"$ref": REFERENCE.format(name=page_part)}]}


def _without(schema: Schema, name: str) -> Json:
    return {key: value for key, value in schema.items() if key != name}


def _declared(responses: Json) -> list[int]:
    return [int(status) for status, response in responses.items() if MEDIA_TYPE in response.get("content", ())]


def _has_principal(view: Callable[..., Any]) -> bool:
    """Whether it answers with more than the process's state; such an answer has a tag."""
    return getattr(view, ROLE_ATTRIBUTE, Role.PUBLIC) is not Role.PUBLIC


def _implied(view: Callable[..., Any], rule: Rule) -> list[int]:
    """Errors that follow from what a route is."""
    found = list(problem_answers.ALWAYS)
    if hasattr(view, QUART_SCHEMA_QUERYSTRING_ATTRIBUTE):
        found.append(400)
    if _has_principal(view):
        found += [401, 403, 429]
    if rule.arguments:
        found.append(404)
    return found


def parameter(name: str, place: str, schema: Json, components: Json) -> Json:
    """A parameter object. What may be left out is not null in a query string: it is not there."""
    schema = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    described = schema.pop("description", resolved(schema, components).get("description", ""))
    schema.setdefault("examples", [example_of(schema, components, name)])
    sign = ": " if place == "header" else "="
    alternatives = [one for one in schema.pop("anyOf", []) if one.get("type") != "null"]
    if alternatives:
        schema = {**schema, **(alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives})}
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        **({"allowEmptyValue": True} if place == "query" else {}),  # as forms send it
        "description": f"{described}. For example `{name}{sign}{_written(schema['examples'][0])}`.",
        "schema": schema,
    }


def _written(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _first_line(model: type) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def install(app: Quart) -> None:
    """Describe the app's routes; the pages that quart-schema would serve need the internet."""
    QuartSchema(app, openapi_path=None, conversion_preference="msgspec", openapi_provider_class=Provider)


def document(app: Quart) -> Json:
    """The document of the app's routes. Raises `NoExampleError` for a field without one, `KeyError` for a path's parameter."""
    found: Json = app.extensions["QUART_SCHEMA"].openapi_provider.schema()
    schemas = found["components"]["schemas"] | answer_schemas([Problem])
    for schema in schemas.values():
        if "enum" in schema:
            schema["type"] = "string"  # msgspec leaves it out
    used = {tag for path in found["paths"].values() for operation in path.values() for tag in operation["tags"]}
    headers = {name: {"description": sentence, "schema": schema} for name, (sentence, schema) in HEADERS.items()}
    return {
        "openapi": found["openapi"],
        "info": {
            "title": "Taskscope",
            "version": version("taskscope-api"),
            "summary": "What every Celery and RQ task is doing",
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": TAGS[name]} for name in TAGS if name in used],
        "paths": {path: found["paths"][path] for path in sorted(found["paths"])},
        "components": {
            "schemas": schemas,
            "responses": problem_answers.components(),
            "headers": headers,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }
