"""Redis databases out of an archive: found, loaded, exchanged, judged, and taken back."""
