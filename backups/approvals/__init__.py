"""Approvals: whether something may happen that needs a second person.

An ``ApprovalRequest`` carries a frozen text (what exactly would be done) with its digest, and the kind of run that
does it. Other people vote on that digest (``voting``); at quorum the run is queued, and its first step asks
``admission`` whether it may really begin. Nothing here knows what a restore or a deletion is.

``rules`` are the guards, pure; ``facts`` reads what they ask for; ``moves`` are the changes of state; ``expiring`` is
what time does; ``inbox`` is what waits for whom; ``mail`` is the outbox.
"""
