"""Recipients: who can open encrypted archives, and the proof that they really can."""
