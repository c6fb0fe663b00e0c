"""What every template may use: the tags of ``ui``, and the ways to write sizes and times of ``formats``."""
