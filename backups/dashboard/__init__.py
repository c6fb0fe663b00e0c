"""The overview: what is protected, what runs, what needs somebody; and the way there. Pages only, nothing is kept."""
