"""The sandbox: a real Elasticsearch with data on this machine, for newcomers and for the tests.

run.py            what `make run` executes: the sandbox, the console, and one way to stop them all
console.py        the console, driven through its own commands; known.py asks what it knows already
elasticsearch.py  starts a server with TLS and two users; its home is filled by configuration.py, certificates.py
kinds.py          the servers that can be started: products, versions, the Java they want
fetch.py          the server's zip through Maven, unpacked once
seed.py           fills the server with the security events of events.py
postgres.py       a throw-away PostgreSQL, for the tests only
redis.py          a throw-away Redis, for the tests only
packages.py       programs of the system that may be missing
unprivileged.py   servers that refuse to run as root
guard.py          runs a command that must not outlive its parent
files.py          whole files or none
"""
