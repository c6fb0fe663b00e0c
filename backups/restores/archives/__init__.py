"""Restores from an archive: its folders over those of its host, and its Redis data over that of the servers.

asked  found  finding  what a person wants, and what is there
plan  rows  conditions  pure: what would become of each file and database, and what stands in the way
planning  looking       a plan made by the worker, and made anew to see what is different by now
steps  folders  judging  what is done, which may be killed at any line and begun again
moving  many names put in the place of others, and back, by a list on the disk
"""
