"""Retention: what is kept, and every deletion of a copy.

A hold keeps a snapshot or an archive: a person's has a reason and an end, a request's is derived (the request is
open, or its run is not over). A safety copy is what a restore set aside before it replaced something; it goes by
itself when its time is over.

copies  holds               what a copy is, whichever of the two; what keeps it
deleting  asking            delete what nothing holds; ask for the deletion of what is held
overview                    what the first page shows
approved                    whether the run of such a request may begin, and whether all is as it was
safety_copies               those whose time is over
steps  archive_steps        the turns of the runs that delete a snapshot; an archive
index_steps  file_steps     the same of a safety copy: an index; a folder or a file
copy_ends  files            how the latter end; what deletions do to files
"""
