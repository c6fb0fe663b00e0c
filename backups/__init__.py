"""CyberSift backup console: one Django app, cut into packages by subject.

Stairs, top first. A package imports only from lower lines; neighbours on a line do not know each other.

    worker  web             what runs in the background; what surrounds every page
    dashboard  evidence     pages only: the overview; the audit log
    restores                what exactly a restore would do, and how it went
    retention               holds, and every deletion of a copy
    snapshots  archives     what is protected, and the copies that came of it: in Elasticsearch; in files
    repositories            where Elasticsearch keeps snapshots
    clusters                one Elasticsearch or OpenSearch each
    approvals               whether something may happen that needs a second person
    runs                    how work survives: run, step, turn, claim, lease, fence
    accounts                people: sign-in, roles, step-up
    audit                   the ledger: act(), record(), the chain
    access                  who may do what; sealed secrets
    gateways  listing  clock  templatetags     the outside world; lists; the shared clock; what templates use

Inside a package: urls -> views -> forms, services, models; steps -> services, models, gateways.
"""
