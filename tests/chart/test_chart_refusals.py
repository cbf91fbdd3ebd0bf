"""Values that contradict each other are refused before anything is made, by a sentence that names each and what is right."""

from typing import Any

import pytest
from support.helm import SOURCE, problems, with_source

CELERY = {"name": "archive", "engine": "celery"}
BROKER = "redis://broker.jobs:6379/0"
OIDC = {"issuer": "https://id.example.org", "clientId": "taskscope", "publicUrl": "https://tasks.example.org"}


def secret(**keys: str) -> dict[str, Any]:
    return {"name": "archive-broker", "keys": keys}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("no source", {"sources": []}, "sources: is empty"),
    ("a name twice", {"sources": [SOURCE, SOURCE]}, "sources[1] (archive): the name is given twice"),
    ("no address", {"sources": [CELERY]}, "sources[0] (archive).brokerUrl: is missing"),
    ("no address of RQ", {"sources": [{"name": "m", "engine": "rq"}]}, "sources[0] (m).redisUrl: is missing"),
    (
        "an address twice",
        {"sources": [{**CELERY, "brokerUrl": BROKER, "existingSecret": secret(brokerUrl="url")}]},
        "sources[0] (archive).brokerUrl: is given twice",
    ),
    (
        "a password",
        {"sources": [{**CELERY, "brokerUrl": "amqp://guest:guest@rabbit//"}]},
        "sources[0] (archive).brokerUrl: holds a password",
    ),
    (
        "a password of the second broker",
        {"sources": [{**CELERY, "brokerUrl": f"{BROKER};redis://:hush@other/0"}]},
        "sources[0] (archive).brokerUrl: holds a password",
    ),
    (
        "a password of a result backend",
        {"sources": [{**SOURCE, "resultBackend": "redis://:hush@other/0"}]},
        "sources[0] (archive).resultBackend: holds a password",
    ),
    (
        "a port that is none",
        {"sources": [{**CELERY, "brokerUrl": "amqp://rabbit:amqp//"}]},
        "sources[0] (archive).brokerUrl: has no host, or a port that is no number",
    ),
    (
        "no host of the second broker",
        {"sources": [{**CELERY, "brokerUrl": f"{BROKER};redis:///1"}]},
        "sources[0] (archive).brokerUrl: has no host, or a port that is no number",
    ),
    (
        "a database that is a name",
        {"sources": [{"name": "m", "engine": "rq", "redisUrl": "redis://redis.media:6379/jobs"}]},
        "sources[0] (m).redisUrl: names a database that is not a number",
    ),
    ("a port of Redis that is none", with_source(redis={"url": "redis://r:0/0"}), "redis.url: has no host, or a port"),
    (
        "what the other engine has",
        {"sources": [{**SOURCE, "keyPrefix": "rq"}]},
        "sources[0] (archive).keyPrefix: is none of a source of engine celery",
    ),
    (
        "a key of the other engine",
        {"sources": [{**SOURCE, "existingSecret": secret(redisUrl="url")}]},
        "sources[0] (archive).redisUrl: is none of a source of engine celery",
    ),
    (
        "two servers",
        with_source(redis={"url": "redis://r/0", "existingSecret": {"name": "r"}}),
        "redis.url: is given, and redis.existingSecret.name too",
    ),
    ("Redis with a password", with_source(redis={"url": "redis://:hush@r/0"}), "redis.url: holds a password"),
    (
        "Sentinels with a password",
        with_source(redis={"url": "redis+sentinel://:hush@s-0:26379,s-1/films/0"}),
        "redis.url: holds a password",
    ),
    (
        "Sentinels with a password of their own",
        with_source(redis={"url": "redis+sentinel://s-0:26379/films/0?sentinel_password=hush"}),
        "redis.url: holds a password",
    ),
    (
        "Sentinels that are asked for nobody",
        with_source(redis={"url": "redis+sentinel://s-0:26379,s-1:26379/0"}),
        "redis.url: names no Sentinels, or not what they call the primary (redis+sentinel://",
    ),
    (
        "a Sentinel with a port that is none",
        with_source(redis={"url": "redis+sentinel://s-0:26379,s-1:port/films"}),
        "redis.url: names no Sentinels",
    ),
    ("no Redis", with_source(valkey={"enabled": False}), "redis.url: is missing, and valkey.enabled is false"),
    (
        "tokens from two places",
        with_source(access={"tokens": {"existingSecret": "t", "generate": True}}),
        "access.tokens.generate: is true, and access.tokens.existingSecret is given",
    ),
    ("no tokens", with_source(access={"tokens": {"generate": False}}), "access.tokens.existingSecret: is missing"),
    ("no proxy", with_source(access={"mode": "proxy"}), "access.proxy.addresses: is missing"),
    (
        "a proxy without its mode",
        with_source(access={"proxy": {"addresses": ["10.0.0.0/8"]}}),
        "access.proxy.addresses: is given, but access.mode is token",
    ),
    (
        "grants for nobody",
        with_source(access={"grants": [{"group": "g", "role": "viewer"}]}),
        "access.grants: are for people of a proxy or provider, but access.mode is token",
    ),
    (
        "a grant to nobody",
        with_source(access={"mode": "proxy", "proxy": {"addresses": ["10.0.0.1"]}, "grants": [{"role": "viewer"}]}),
        "access.grants[0]: needs either a group or a user",
    ),
    (
        "tokens though nobody is asked",
        with_source(access={"mode": "none", "tokens": {"existingSecret": "t"}}),
        "access.tokens: are given, but access.mode is none",
    ),
    ("no provider", with_source(access={"mode": "oidc", "oidc": {**OIDC, "issuer": ""}}), "access.oidc.issuer: is missing"),
    ("no client", with_source(access={"mode": "oidc", "oidc": {**OIDC, "clientId": ""}}), "access.oidc.clientId: is missing"),
    (
        "no address",
        with_source(access={"mode": "oidc", "oidc": {**OIDC, "publicUrl": ""}}),
        "access.oidc.publicUrl: is missing",
    ),
    (
        "a provider without its mode",
        with_source(access={"oidc": OIDC}),
        "access.oidc.issuer: is given, but access.mode is token",
    ),
    (
        "another path",
        with_source(access={"mode": "oidc", "oidc": OIDC}, basePath="/taskscope"),
        "access.oidc.publicUrl: has the path /, but basePath is /taskscope",
    ),
    (
        "a path of the provider alone",
        with_source(access={"mode": "oidc", "oidc": {**OIDC, "publicUrl": "https://tasks.example.org/a"}}),
        "access.oidc.publicUrl: has the path /a, but basePath is empty",
    ),
    (
        "accounts though nobody is asked",
        with_source(access={"mode": "none", "serviceAccounts": {"enabled": True}}),
        "access.serviceAccounts.enabled: counts beside a mode that asks who somebody is",
    ),
    (
        "accounts without a right",
        with_source(access={"serviceAccounts": {"enabled": True}}),
        "access.serviceAccounts.grants: is empty",
    ),
    (
        "rights of accounts that are off",
        with_source(access={"serviceAccounts": {"grants": [{"namespace": "a", "name": "b", "role": "viewer"}]}}),
        "access.serviceAccounts.grants: are given, but access.serviceAccounts.enabled is false",
    ),
    (
        "two tokens for the cluster",
        with_source(
            access={
                "serviceAccounts": {
                    "enabled": True,
                    "grants": [{"namespace": "a", "name": "b", "role": "viewer"}],
                    "options": {"tokenFile": "/t"},
                }
            }
        ),
        "access.serviceAccounts.options.tokenFile: is given, and access.serviceAccounts.projectedToken is on",
    ),
    (
        "a registry with its protocol",
        with_source(**{"global": {"imageRegistry": "https://registry.example.org"}}),
        "global.imageRegistry: is https://registry.example.org, but an image's name begins with a host",
    ),
    (
        "a registry that ends with a slash",
        with_source(**{"global": {"imageRegistry": "registry.example.org/"}}),
        "global.imageRegistry: is registry.example.org/, but",
    ),
    (
        "a host that is a URL",
        with_source(ingress={"enabled": True, "hosts": ["https://tasks.example.org/x"]}),
        "ingress.hosts[0]: is https://tasks.example.org/x, but a host is a name alone",
    ),
    (
        "a network that is too narrow",
        with_source(api={"trustedProxies": ["10.42.0.0/33"]}),
        "api.trustedProxies: 10.42.0.0/33 has a prefix of more than 32 bits",
    ),
    (
        "a place for traces that names none",
        with_source(api={"traceUrl": "https://jaeger.example.org/trace/"}),
        "/api/traceUrl",
    ),
    (
        "a place for traces that is no page",
        with_source(api={"traceUrl": "javascript:alert('{trace_id}')"}),
        "/api/traceUrl",
    ),
    ("no gateway", with_source(httpRoute={"enabled": True}), "httpRoute.parentRefs: is empty"),
    (
        "TLS for another host",
        with_source(ingress={"enabled": True, "hosts": ["a"], "tls": [{"secretName": "s", "hosts": ["b"]}]}),
        "ingress.tls[0].hosts: b is none of ingress.hosts",
    ),
    (
        "fewer at most than at least",
        with_source(api={"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 2}}),
        "api.autoscaling.minReplicas: is 5, more than maxReplicas, 2",
    ),
    (
        "nothing to aim for",
        with_source(web={"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}}),
        "web.autoscaling: has nothing to aim for",
    ),
    (
        "a node that could never be drained",
        with_source(api={"pdb": {"minAvailable": 2}}),
        "api.pdb.minAvailable: is 2 of 2 pods",
    ),
    (
        "a sleep longer than what it may take",
        with_source(web={"preStopSleepSeconds": 30}),
        "web.terminationGracePeriodSeconds: is 30, but preStopSleepSeconds alone takes 30",
    ),
    (
        "a monitor of nothing",
        with_source(metrics={"serviceMonitor": {"enabled": True}}),
        "metrics.serviceMonitor.enabled: is true, but metrics.enabled is false",
    ),
    (
        "a receiver that speaks another protocol",
        with_source(otel={"endpoint": "http://otlp.monitoring:4317"}),
        "otel.endpoint: names port 4317, which is gRPC's",
    ),
    (
        "alerts on nothing",
        with_source(metrics={"prometheusRule": {"enabled": True}}),
        "metrics.prometheusRule.enabled: is true, but metrics.enabled is false",
    ),
    (
        "a broker that a Secret hides",
        {"sources": [{**CELERY, "existingSecret": secret(brokerUrl="url")}], "networkPolicy": {"enabled": True}},
        "networkPolicy.brokers: is empty, and sources[0].existingSecret is in a Secret",
    ),
    (
        "a broker elsewhere",
        {"sources": [{**CELERY, "brokerUrl": "amqps://rabbit.example.org//"}], "networkPolicy": {"enabled": True}},
        "networkPolicy.brokers: is empty, and sources[0].brokerUrl names an address outside of the cluster",
    ),
    (
        "a Redis that a Secret hides",
        with_source(redis={"existingSecret": {"name": "r"}}, networkPolicy={"enabled": True}),
        "networkPolicy.redis: is empty, and redis.existingSecret is in a Secret",
    ),
    (
        "a provider elsewhere",
        with_source(access={"mode": "oidc", "oidc": OIDC}, networkPolicy={"enabled": True}),
        "networkPolicy.oidc: is empty, and access.oidc.issuer names an address outside of the cluster",
    ),
    (
        "a receiver elsewhere",
        with_source(otel={"endpoint": "https://otlp.example.org:4318"}, networkPolicy={"enabled": True}),
        "networkPolicy.otlp: is empty, and otel.endpoint names an address outside of the cluster",
    ),
    (
        "an API server that no name tells",
        with_source(
            access={"serviceAccounts": {"enabled": True, "grants": [{"namespace": "a", "name": "b", "role": "viewer"}]}},
            networkPolicy={"enabled": True},
        ),
        "networkPolicy.apiServer: is empty, and access.serviceAccounts.jwksUrl is the API server, which is no pod",
    ),
]


@pytest.mark.parametrize(("values", "said"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_a_contradiction_is_refused_by_a_sentence(values: dict[str, Any], said: str) -> None:
    found = problems(values)
    assert any(line.startswith(said) for line in found), found
    assert all("(" in line for line in found), "each says what would be right"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = problems({"sources": [CELERY], "valkey": {"enabled": False}, "httpRoute": {"enabled": True}})
    assert len(found) == 3


@pytest.mark.parametrize(
    "url",
    [
        "redis://:${BROKER_PASSWORD}@broker.jobs/0",
        "${BROKER_URL}",
        "redis://broker.jobs",
        "redis://watcher@broker.jobs:6379",
        "rediss://broker.jobs:6379/1?ssl_cert_reqs=none",
        "redis://[fd00::7]:6379/",
        "amqp://watcher@rabbit.jobs:5672/a%2Fb",
        "amqps://rabbit.jobs//;amqps://10.1.2.3",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_an_address_that_the_services_take_is_taken(url: str) -> None:
    with pytest.raises(AssertionError, match="were taken"):
        problems({"sources": [{**CELERY, "brokerUrl": url}]})


def test_no_password_is_repeated() -> None:
    found = problems({"sources": [{**CELERY, "brokerUrl": "redis://:hush@broker/0"}]})
    assert "hush" not in "".join(found)
