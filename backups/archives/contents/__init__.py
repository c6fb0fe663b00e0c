"""What is in an archive: its pages and searches, and one file out of it.

views  checks     the pages, and the look that the worker takes for them
indexes           the file index beside an archive
taking            one file, for a person's browser
"""
