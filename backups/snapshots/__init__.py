"""Snapshots of Elasticsearch indices: what is protected (profiles), what was taken, and what it holds.

A snapshot is green when it was read back after its end as SUCCESS with no failed shard and exactly the indices
that were asked for. What the server keeps no record of (documents, sequence numbers, mappings) is read from the
live indices before and after, and kept with our row.
"""
