"""Elasticsearch and its Snapshot API, as far as the console uses them.

    call           one request as a frozen value: what is shown, approved, kept and sent
    client         sends a call: addresses checked, reads retried, writes sent once
    errors         what can go wrong, in plain sentences; ``answers`` makes them from what came back
    addresses      which addresses may be connected to; ``guard`` holds every connection to it
    datemath       names from templates, and the rule for names
    patterns       index patterns to exact names
    capabilities   what a product and version can do
    names        what means one thing only; ``rename`` foresees the names of restored indices
    cluster, indices, repositories, snapshots, restores, swapping, room   the subjects

The promise of this package: a write leaves at most once. If its answer is lost the caller gets
``OutcomeUnknown`` and has to look what happened; it never gets a guess.
"""
