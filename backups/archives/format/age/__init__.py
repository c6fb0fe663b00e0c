"""Encrypted archives: the age format, version 1 (https://age-encryption.org/v1), with X25519 recipients only.

From the bottom: `bech32`, `keys` (who may read), `header` (wraps the key of a file), `stream` (the chunks), `sealing`
(an archive while it grows), `opening` (any place of a finished one), `probe` (proves that somebody has a key).
The host that writes knows public keys only. Without Django.
"""
