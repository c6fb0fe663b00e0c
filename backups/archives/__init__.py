"""Archives: files and Redis data in one portable tar file, as `docs/archive-format.md` says.

`format/` writes the file and reads it fast; it knows no Django, so that its helper processes start fast and it can be
used alone. `cybersift_restore.py` reads it: one file of the standard library, which also works without the console.

    models  services  views  forms  urls     what there is; verbs on archives; pages of archives
    steps  preparing  making  reading        the run of an archive: look at the sources, pack, read back
    flows  indexes                           NiFi's flow in it; the file index beside it
    contents  taking  file_views             what is in one: a page of it; one file out of it
    comparing  compare_steps                 one beside what is there now
    sources  names  survey                   folders that are asked for; names of files; what a folder holds
    command_line                             manage.py backup_restore

    profiles   profile_*  checks             what goes into archives, and the preview of it
    locations  location_*  collector         where they lie; the look at a directory and what it finds:
               folder  opening  compare  adopting  paths  patience  forecast
    redis_*                                  Redis servers as sources
    recipients  recipient_*                  who can open encrypted ones
"""
