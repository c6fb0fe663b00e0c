"""An archive beside what is there now: the folders of this host, and the Redis servers.

steps  compared     the run of a comparison, and what came of one folder or server
folders  redis      how each is compared
"""
