"""What surrounds every page: headers, session age, the shell's navigation, error pages, and the form of the logs."""
