"""Archives: files and Redis data in one portable tar file, as `docs/archive-format.md` says.

`format/` writes the file and reads it fast; it knows no Django, so that its helper processes start fast and it can be
used alone. `cybersift_restore.py` reads it: one file of the standard library, which also works without the console.

    models  services  views  forms  urls     what there is; verbs on archives; pages of archives
    steps  preparing  making  reading        the run of an archive: look at the sources, pack, read back
    sources  survey  names  flows            folders that are asked for, what they hold; names of files; NiFi's flow
    patience                                 waiting for a share that hangs, but not for ever
    command_line  restoring                  manage.py backup_restore
    bare_host                                commands to copy, for where there is no console

    profiles/  redis/                        what goes into archives: folders, and Redis servers
    locations/  recipients/                  where they lie, and who can open encrypted ones
    contents/  comparing/                    what is in one; one beside what is there now
"""
