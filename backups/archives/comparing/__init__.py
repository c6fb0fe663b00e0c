"""An archive beside what is there now: the folders of this host."""
