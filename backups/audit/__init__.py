"""The ledger: who changed what, when, from where and why; in the transaction of the change itself.

``act()`` opens the transaction, ``record()`` adds an entry to it. Entries are numbered without gaps, and each
one's stored text contains the digest of the one before (``chain``). Triggers refuse changes (``triggers``),
a MAC with a key outside the database shows a rewritten chain, and signed checkpoints in a file show a cut one
(``checkpoints``). ``verify`` checks all of it, ``watch`` does so again and again. No pages here: those are in
``evidence``.
"""

from .acts import act

__all__ = ["act"]
