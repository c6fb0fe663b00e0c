"""Redis servers whose data goes into archives.

services  views  forms     verbs on servers; their pages
addresses                  how one is written
access                     from a row to a way into its server, and its data as an archive takes it
checks                     the test of one, in words
"""
