"""The servers that the console is tested on: what each is called, and what it wants from this machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerKind:
    """One product and version. ``java`` is the oldest and newest it runs on; ``secure`` ones have TLS and users,
    the others lack the module for it and speak plain HTTP on loopback to anybody."""

    product: str
    version: str
    java: tuple[int, int] = (17, 24)
    secure: bool = True
    megabytes: int = 100

    def __str__(self) -> str:
        return f"{'OpenSearch' if self.product == 'opensearch' else 'Elasticsearch'} {self.version}"

    @property
    def slug(self) -> str:
        """Its name in paths and test ids."""
        return f"{self.product}-{self.version}"

    @property
    def group(self) -> str:
        """Maven's group of the server's zip."""
        return f"org.{self.product}.distribution.integ-test-zip"

    @property
    def prefix(self) -> str:
        """How the names of its environment variables begin."""
        return "OPENSEARCH" if self.product == "opensearch" else "ES"

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def notices_writers(self) -> bool:
        """Notices that another cluster writes to its repository (7.6 and its descendants)."""
        return self.product == "opensearch" or self.version != "7.2.0"

    @property
    def newer_java(self) -> bool:
        """Wants a Java that a current Debian may not have: without one the server is named as not tested."""
        return self.java[0] > 17


KINDS = (
    ServerKind("elasticsearch", "7.2.0", java=(17, 17), secure=False, megabytes=30),
    ServerKind("elasticsearch", "7.17.28", java=(17, 23), megabytes=57),
    ServerKind("elasticsearch", "8.15.3", java=(17, 23)),
    ServerKind("elasticsearch", "8.19.0"),
    ServerKind("elasticsearch", "9.2.0", java=(21, 25)),
    ServerKind("opensearch", "1.3.20", java=(17, 17), secure=False, megabytes=35),
    ServerKind("opensearch", "2.19.0", java=(17, 23), secure=False, megabytes=51),
    ServerKind("opensearch", "3.3.0", java=(21, 25), secure=False, megabytes=79),
)
BY_SLUG = {kind.slug: kind for kind in KINDS}
DEFAULT = BY_SLUG["elasticsearch-8.19.0"]
