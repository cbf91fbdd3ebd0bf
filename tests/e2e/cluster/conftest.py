"""The cluster suite: Taskscope as its chart installs it, in whatever cluster KUBECONFIG names (`make test-cluster`).

`support/kube/needs.py` says what it needs. Everything is in namespaces of its own, which are removed at the end; with
TASKSCOPE_TEST_KEEP=true they stay. What failed leaves objects and logs in `test-results/cluster`.
"""

import os
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from support.kube import browser as chromium
from support.kube import images as provided_images
from support.kube import report
from support.kube.evidence import keep
from support.kube.ground import Ground
from support.kube.helm import Release
from support.kube.images import Images
from support.kube.kubectl import Kubectl, Object
from support.kube.names import resolving
from support.kube.namespaces import made_namespace, prepared_namespace
from support.kube.needs import CHART, ROOT, Needs
from support.kube.needs import needs as told_needs
from support.kube.site import Site, Way
from support.kube.values import accounts, broken_sources, images_of, merged, sources, ways_in

HERE = Path(__file__).parent
RESULTS = ROOT / "test-results"
ORDER = ("install", "figures", "ways_in", "callers", "refused", "sources", "failover", "upgrade", "redis", "drain", "uninstall")
"""Of the files: what needs a quiet system first, what disturbs it last."""
TEST_SECONDS = 420
BASE_PATH = "/ops/taskscope"
Measured = Callable[[str], None]


class Run(NamedTuple):
    """Names that no other run has."""

    name: str

    @property
    def release(self) -> str:
        """Namespace of the main release."""
        return f"{self.name}-release"

    @property
    def ground(self) -> str:
        """Namespace of brokers and workers."""
        return f"{self.name}-ground"

    @property
    def below(self) -> str:
        """Namespace of the release below a path."""
        return f"{self.name}-below"

    @property
    def elsewhere(self) -> str:
        """A namespace that nothing was granted to."""
        return f"{self.name}-elsewhere"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here need a cluster, and run in the order of `ORDER`."""
    own = [item for item in items if item.path.parent == HERE]
    for item in own:
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(TEST_SECONDS))
    places = [index for index, item in enumerate(items) if item.path.parent == HERE]
    own.sort(key=lambda item: ORDER.index(item.path.stem.removeprefix("test_")))
    for place, item in zip(places, own, strict=True):
        items[place] = item


LINES = pytest.StashKey[list[report.Line]]()
ABOUT = pytest.StashKey[str]()
KEEPER = pytest.StashKey[tuple[Kubectl, Run]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what was proven; keep evidence of what was not."""
    found = yield
    if item.path.parent == HERE and (found.when == "call" or found.failed):
        lines: list[report.Line] = item.config.stash.setdefault(LINES, [])
        lines.append(report.Line.of(found.nodeid, found.outcome, found.duration, found.user_properties))
        if found.failed and KEEPER in item.config.stash:
            kubectl, run = item.config.stash[KEEPER]
            keep(kubectl, [run.release, run.ground, run.below], RESULTS / "cluster" / item.name)
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The report."""
    lines: list[report.Line] | None = config.stash.get(LINES, None)
    if lines:
        text = report.written(lines, config.stash.get(ABOUT, ""), RESULTS / "cluster.md")
        terminalreporter.write_sep("=", "report")
        terminalreporter.write(text)


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Puts a figure into the report."""
    return lambda text: record_property(report.MEASURED, text)


# ---------------------------------------------------------------------------------------------------- what there is


@pytest.fixture(scope="session")
def needs() -> Needs:
    try:
        return told_needs()
    except AssertionError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def run() -> Run:
    return Run(f"taskscope-test-{secrets.token_hex(2)}")


@pytest.fixture(scope="session")
def kubectl(needs: Needs, run: Run, pytestconfig: pytest.Config) -> Iterator[Kubectl]:
    made = Kubectl(needs.kubeconfig)
    version = made.raw("/version")["gitVersion"]
    nodes = made.items("nodes")
    pytestconfig.stash[ABOUT] = f"Kubernetes {version}, {len(nodes)} nodes, {os.cpu_count()} cores.\n"
    pytestconfig.stash[KEEPER] = (made, run)
    yield made
    if os.environ.get("TASKSCOPE_TEST_KEEP") != "true":
        for namespace in (run.release, run.ground, run.below, run.elsewhere):
            made.run("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


@pytest.fixture(scope="session")
def nodes(kubectl: Kubectl) -> list[str]:
    """Names of those that take pods."""
    found = kubectl.items("nodes")
    return sorted(node["metadata"]["name"] for node in found if not _is_shut(node))


@pytest.fixture(scope="session")
def images(needs: Needs, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Images:
    return provided_images.provided(needs, kubectl, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def ground(kubectl: Kubectl, run: Run, images: Images, nodes: list[str]) -> Ground:
    """Brokers and workers, on the first node."""
    within = made_namespace(kubectl, run.ground)
    ground = Ground(within, images, nodes[0])
    ground.begin()
    return ground


# ------------------------------------------------------------------------------------------------- what is installed


class Installed(NamedTuple):
    """A site, and how long it took from `helm install` until all was ready."""

    site: Site
    ready_seconds: float
    values: Object


@pytest.fixture(scope="session")
def issuer(kubectl: Kubectl) -> str:
    """Of the cluster's service-account tokens."""
    return str(kubectl.raw("/.well-known/openid-configuration")["issuer"])


@pytest.fixture(scope="session")
def main_values(needs: Needs, images: Images, ground: Ground, run: Run, issuer: str) -> Object:
    """Those of the release that most tests look at."""
    grants = [{"namespace": run.ground, "name": "worker", "role": "viewer"}]
    redis = {"redis": {"existingSecret": {"name": "taskscope-redis"}}}
    ways = ways_in(needs, f"{run.name}.test", f"{run.name}-routed.test")
    return merged(images_of(images), ways, accounts(issuer, grants), redis, {"sources": sources(ground)})


@pytest.fixture(scope="session")
def installed(
    needs: Needs,
    kubectl: Kubectl,
    run: Run,
    ground: Ground,
    main_values: Object,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installed]:
    """The main release, at a host, in a namespace that enforces the standard `restricted`."""
    within = prepared_namespace(kubectl, run.release, ground)
    release = Release(within, "taskscope", CHART, tmp_path_factory.mktemp("values"))
    ingress = Way(f"{run.name}.test", needs.ingress, "")
    site = Site(release, ingress, Way(f"{run.name}-routed.test", needs.gateway_address, ""))
    begun = time.monotonic()
    release.install(main_values)
    site.wait_ready()
    ready_seconds = time.monotonic() - begun
    with resolving(site.addresses()):
        yield Installed(site, ready_seconds, main_values)


@pytest.fixture(scope="session")
def below(
    needs: Needs, kubectl: Kubectl, run: Run, ground: Ground, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A second release, below a path: it shares the first one's Redis, and two of its sources cannot be watched."""
    host, routed = f"{run.name}-below.test", f"{run.name}-below-routed.test"
    redis = {"redis": {"existingSecret": {"name": "taskscope-redis"}, "prefix": "below"}, "basePath": BASE_PATH}
    watched = {"sources": [*sources(ground), *broken_sources()]}
    few = {one: {"replicaCount": 1} for one in ("collector", "web")}
    release = Release(prepared_namespace(kubectl, run.below, ground), "taskscope", CHART, tmp_path_factory.mktemp("below"))
    site = Site(release, Way(host, needs.ingress, BASE_PATH), Way(routed, needs.gateway_address, BASE_PATH))
    release.install(merged(images_of(images), ways_in(needs, host, routed), redis, watched, few))
    site.wait_ready()
    with resolving(site.addresses()):
        yield site


@pytest.fixture
def site(installed: Installed) -> Site:
    return installed.site


@pytest.fixture(scope="session")
def browser(needs: Needs, run: Run) -> Iterator[chromium.Browser]:
    """One Chromium, which finds the hosts of all sites of this run."""
    addresses = {f"{run.name}.test": needs.ingress.host, f"{run.name}-below.test": needs.ingress.host}
    routed = {name.replace(".test", "-routed.test"): needs.gateway_address.host for name in addresses}
    with ExitStack() as stack:
        yield stack.enter_context(chromium.started(addresses | routed))


def _is_shut(node: Object) -> bool:
    taints = node["spec"].get("taints", [])
    return bool(node["spec"].get("unschedulable")) or any(taint["effect"] in ("NoSchedule", "NoExecute") for taint in taints)
