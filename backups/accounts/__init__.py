"""People: signing in and out, giving the password again, roles, one-time passwords.

``services`` has the verbs of administrators and of a person's own account; ``sign_in`` checks passwords and counts
tries before anything is hashed; ``sessions`` ends sessions. Nobody is ever deleted: the log names them.
"""
