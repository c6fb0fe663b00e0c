"""Takes a restore from an archive back, out of what it kept: planned, approved, carried out and verified as every
other restore, and kept in turn."""
