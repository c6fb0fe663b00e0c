"""One Redis server at a time: what it is, its data as an RDB file, and an RDB file back into it. Knows no Django.

`access` and `connection` reach a server; `about` says what it is and which rights are missing. `sync` and `scan` are
the two ways to an RDB file; `rdb` cuts one into keys without decoding values; `preflight`, `restore` and `spare`
write them to a running server. `canonical` and `compare` tell what differs between two of them.
"""
