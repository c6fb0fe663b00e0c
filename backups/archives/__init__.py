"""Archives: files and Redis data in one portable tar file, as `docs/archive-format.md` says.

`format/` writes the file; it knows no Django, so that its helper processes start fast and it can be used alone.
`cybersift_restore.py` reads it: one file of the standard library, which also works where there is no console.
"""
