"""Archives: files and Redis data in one portable tar file, as `docs/archive-format.md` says.

`format/` writes the file; it knows no Django, so that its helper processes start fast and it can be used alone.
"""
