"""Values of the chart that the suite installs with."""

from collections.abc import Mapping, Sequence
from typing import Any

from support.kube.ground import Ground
from support.kube.images import COMPONENTS, Images
from support.kube.kubectl import Object
from support.kube.needs import Needs

NEWSROOM_SECRET = "newsroom-broker"
SHARED_REDIS_SECRET = "taskscope-redis"
SOURCES = ("archive", "newsroom", "media")


def secrets_of(ground: Ground) -> Mapping[str, Mapping[str, str]]:
    """Secret -> its texts, for the release's namespace: what the values below refer to."""
    return {NEWSROOM_SECRET: {"broker-url": ground.amqp_url}, SHARED_REDIS_SECRET: {"url": ground.state_url}}


def sources(ground: Ground) -> list[Object]:
    """One of each kind: Celery over Redis, Celery over RabbitMQ with its address in a Secret, and RQ."""
    archive, newsroom, media = SOURCES
    return [
        {"name": archive, "engine": "celery", "brokerUrl": ground.broker_url, "resultBackend": ground.backend_url},
        {
            "name": newsroom,
            "engine": "celery",
            "existingSecret": {"name": NEWSROOM_SECRET, "keys": {"brokerUrl": "broker-url"}},
        },
        {"name": media, "engine": "rq", "redisUrl": ground.rq_url},
    ]


def broken_sources() -> list[Object]:
    """One whose broker does not exist, and one whose Secret is missing."""
    secret = {"name": "keyless-broker", "keys": {"brokerUrl": "broker-url"}}
    return [
        {"name": "nowhere", "engine": "celery", "brokerUrl": "redis://nobody.nowhere.invalid:6379/0"},
        {"name": "keyless", "engine": "celery", "existingSecret": secret},
    ]


def ways_in(needs: Needs, ingress_host: str, route_host: str) -> Object:
    """An Ingress and an HTTPRoute."""
    gateway = {"name": needs.gateway, "namespace": needs.gateway_namespace}
    return {
        "ingress": {"enabled": True, "className": needs.ingress_class, "hosts": [ingress_host]},
        "httpRoute": {"enabled": True, "parentRefs": [gateway], "hostnames": [route_host]},
    }


def images_of(images: Images) -> Object:
    """Which images."""
    return {one: {"image": {"repository": images.repositories[one], "tag": images.tag}} for one in COMPONENTS}


def accounts(issuer: str, grants: Sequence[Mapping[str, Any]]) -> Object:
    """Which service accounts may ask."""
    return {"access": {"mode": "token", "serviceAccounts": {"enabled": True, "issuer": issuer, "grants": list(grants)}}}


def merged(*values: Mapping[str, Any]) -> Object:
    """All of them, later ones first where both say something."""
    result: Object = {}
    for each in values:
        for name, value in each.items():
            known = result.get(name)
            result[name] = merged(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return result
