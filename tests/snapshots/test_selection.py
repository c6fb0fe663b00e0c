"""What is said of patterns."""

import pytest

from backups.gateways.elasticsearch.indices import Index
from backups.snapshots.selection import stream_hints


def named(name: str) -> list[Index]:
    return [Index(name, "u", "open", "green", False, 1, 1, 1, ())]


@pytest.mark.parametrize(
    ("pattern", "there", "hint"),
    [
        ("logs", ".ds-logs-2026.11.22-000001", "logs is the name of data streams: .ds-logs-* takes their indices."),
        ("logs", ".ds-logs-000001", "logs is the name of data streams: .ds-logs-* takes their indices."),
        (
            "logs-*",
            ".ds-logs-app-2026.11.22-000001",
            "logs-* is the name of data streams: .ds-logs-* takes their indices.",
        ),
        ("logs", ".ds-logs-app-2026.11.22-000001", None),
        ("logs", ".ds-blogs-2026.11.22-000001", None),
        ("logs", "logs", None),
        ("-logs", ".ds-logs-000001", None),
        ("l.gs", ".ds-logs-000001", None),
    ],
)
def test_the_name_of_a_data_stream_is_known(pattern, there, hint):
    assert stream_hints([pattern], named(there)) == ([hint] if hint else [])
