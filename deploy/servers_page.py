"""Writes docs/servers.md and docs/test-long.md: what `make test-long` saw, and when."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from backups.gateways.elasticsearch.capabilities import Capabilities
from deploy.sandbox.kinds import KINDS, ServerKind

DOCS = Path(__file__).resolve().parents[1] / "docs"
COMMAND = "make test-long"
REAL = ("tests.elasticsearch.test_servers", "tests.gateways.test_contract")


@dataclass(frozen=True)
class Feature:
    """A row: what works, the test of it on the real servers (in a module of REAL), and the property of ``ServerKind``
    or ``Capabilities`` that says whether a server has it at all. Without a ``test`` it is seen on the fake of each
    server only, by the test ``fake`` (file and name)."""

    words: str
    test: str = ""
    has: str = ""
    fake: str = ""

    def exists(self, kind: ServerKind) -> bool:
        if hasattr(kind, self.has):
            return getattr(kind, self.has)
        return not self.has or getattr(Capabilities.parse(kind.product, kind.version), self.has)


LOST = "test_a_lost_answer_is_looked_up_and_the_snapshot_adopted"
AT_ONCE = "test_two_at_once_are_both_made_one_after_the_other_where_the_cluster_takes_one_at_a_time"
CANCEL = "test_a_cancelled_one_is_deleted_and_the_earlier_one_stays"
OVERWRITTEN = "test_a_repository_that_another_cluster_writes_to_is_said_and_comes_back_as_told"
RUN = "snapshots/test_snapshot_run.py"
NO_ANSWER = "test_a_{}_without_an_answer_has_one_effect_and_the_right_verdict"
FILES_GONE = "test_files_that_are_gone_make_a_snapshot_damaged_and_hide_no_other"
LIST_GONE = "test_a_missing_list_is_said_and_what_it_named_is_not_called_safe"
FOLDER_EMPTIED = "test_snapshots_of_an_emptied_folder_are_damaged_and_then_missing"
FEATURES = (
    Feature("Product, version, nodes and paths are known", "test_it_is_known_for_what_it_is"),
    Feature("TLS, and two users whose rights are shown", "test_it_is_known_for_what_it_is", "secure"),
    Feature("Repository registered and verified", "test_a_repository_is_registered_and_verified"),
    Feature("Location outside `path.repo` rejected", "test_a_location_outside_path_repo_is_rejected"),
    Feature(
        "Folder that cannot be written: node and remedy named",
        "test_a_directory_that_cannot_be_written_names_the_node_and_what_to_do",
    ),
    Feature(
        "Snapshot of a profile verified, closed indices too",
        "test_a_profile_s_snapshot_is_verified_with_its_closed_and_hidden_indices",
    ),
    Feature("Second snapshot incremental", "test_the_second_one_copies_only_what_is_new"),
    Feature("Lost answer: adopted by name, start time and indices or better", LOST),
    Feature("Lost answer: adopted by the run's id in the metadata", LOST, "metadata"),
    Feature("Registration lost, late or not answered: one effect", NO_ANSWER.format("registration")),
    Feature("Create lost, late or not answered: one effect", NO_ANSWER.format("create")),
    Feature("Delete lost, late or not answered: one effect", NO_ANSWER.format("delete")),
    Feature("Snapshot whose files are gone: damaged, hides no other", FILES_GONE),
    Feature("Missing `index-N`: said, nothing called safe", LIST_GONE),
    Feature("Emptied folder: damaged, then missing", FOLDER_EMPTIED),
    Feature("Running snapshot cancelled", CANCEL),
    Feature("Delete that answers at once", CANCEL, "async_delete"),
    Feature("Name of somebody else's snapshot left alone", "test_a_name_that_somebody_else_took_is_not_touched"),
    Feature(
        "Index without primary shard never called safe",
        "test_an_index_without_its_primary_shard_is_never_called_safe",
    ),
    Feature("Two snapshots wanted at once: both made", AT_ONCE),
    Feature("Two snapshots running at once", AT_ONCE, "concurrent"),
    Feature(
        "Snapshots of others found; damaged or removed ones hide no other",
        "test_snapshots_of_others_are_found_and_damaged_or_removed_ones_hide_no_other",
    ),
    Feature(
        "Repository removed by others: takes no snapshot with it",
        "test_a_repository_that_somebody_removed_takes_no_snapshot_with_it",
    ),
    Feature("Write of another cluster noticed, said, and mended as told", OVERWRITTEN, "notices_writers"),
    Feature("Every request of the gateway answered as the fake does", "test_the_real_one_answers_as_recorded"),
    Feature(
        "Snapshot without an index never called gone",
        fake="snapshots/test_collector.py::test_one_that_holds_no_index_is_found_and_never_called_gone",
    ),
    Feature(
        "Global state without feature states",
        has="feature_states",
        fake=f"{RUN}::test_the_global_state_brings_no_index_that_nobody_chose",
    ),
    Feature(
        "Cluster between two masters waited for",
        fake=f"{RUN}::test_a_cluster_between_two_masters_is_waited_for_before_the_start_too",
    ),
)


BEFORE = """\
# Servers

Written by the layer `servers` of `{command}` on {day}. *Tested*: on the real server, through the product.
*On the fake only*: on the imitation of this server, which is held to its recorded answers. *Not there*: the
server, or its build for tests, lacks it, and the console does not use it then.

"""
AFTER = """

The servers are those that both projects publish for integration tests: real, but with few modules. Elasticsearch
7.2.0 and OpenSearch have no security there and speak HTTP on loopback; all others have TLS and the two users.
Elasticsearch 9 and OpenSearch 3 want Java 21 or newer, and are named as not tested where none is found.
"""


def write_servers(results: Iterable[Path], today: dt.date) -> None:
    """``results`` are pytest's XML files."""
    (DOCS / "servers.md").write_text(servers_page(_seen(results), today))


def write_long(layers: Mapping[str, str], today: dt.date) -> None:
    """``layers`` is the outcome of each layer in words."""
    (DOCS / "test-long.md").write_text(long_page(layers, today))


def servers_page(seen: Mapping[tuple[str, str], str], today: dt.date) -> str:
    """``seen``: test and slug of the server to passed, failed or not tested."""
    head = f"| | {' | '.join(str(kind) for kind in KINDS)} |\n|{' --- |' * (len(KINDS) + 1)}\n"
    rows = (
        f"| {feature.words} | {' | '.join(_cell(feature, kind, seen) for kind in KINDS)} |" for feature in FEATURES
    )
    return BEFORE.format(command=COMMAND, day=today.isoformat()) + head + "\n".join(rows) + AFTER


def long_page(layers: Mapping[str, str], today: dt.date) -> str:
    rows = "\n".join(f"| {layer} | {outcome} |" for layer, outcome in layers.items())
    return (
        f"# The last long test\n\n`{COMMAND}` on {today.isoformat()}.\n\n| Layer | Result |\n| --- | --- |\n{rows}\n"
    )


def _cell(feature: Feature, kind: ServerKind, seen: Mapping[tuple[str, str], str]) -> str:
    if not feature.exists(kind):
        return "not there"
    return seen.get((feature.test, kind.slug), "not tested") if feature.test else "on the fake only"


def _seen(results: Iterable[Path]) -> dict[tuple[str, str], str]:
    found = {}
    for result in results:
        for case in ElementTree.parse(result).iter("testcase") if result.is_file() else ():  # noqa: S314 our own
            if case.get("classname") in REAL:
                test, _, slug = case.get("name", "").rstrip("]").partition("[")
                found[test, slug] = _outcome(case)
    return found


def _outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "**fails**"
    return "not tested" if case.find("skipped") is not None else "tested"
