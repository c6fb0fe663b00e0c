"""Restores of Elasticsearch indices out of a snapshot: asked, found, planned, done, judged."""
