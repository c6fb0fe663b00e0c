"""Profiles: what goes into archives.

services  views  forms     verbs on profiles; their pages
checks                     the live preview of a folder, while the form is filled in
summary  runs              what an archive would hold; how the last ones went
"""
