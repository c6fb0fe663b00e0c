"""Clusters: one Elasticsearch or OpenSearch each, and the two users with which the console goes there.

``connection``    opens a client; only workers can, because only they open sealed passwords
``authorities``   certificates of authorities, chosen by name from one folder
``addresses``     the shape of an address, before it is saved
``rights``        what a user needs, and what it may do, in words
``services``      save a cluster, ask for a test of its credentials
``checks``        the test, done by a worker: ``contact`` looks, ``record`` keeps what was found

A credential is saved first and then checked by the worker. A changed one is a second row beside the one in use: a
good check puts it in use, a bad one leaves it where people see it as refused.
"""
