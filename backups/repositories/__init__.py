"""Repositories: the places in which a cluster keeps its snapshots.

``paths``      locations and ``path.repo``, compared by their components; pure
``preflight``  whether a repository may be registered, line by line; pure
``nodes``      what a verification says of each node, and the remedy; pure
``services``   ask for a registration or a verification
``steps``      the runs that do it, with the restricted credential
``checks``     the preview of the form, with the everyday one

The row is made first (``wanted``). Whoever then finds a repository of this name and these settings on the cluster
adopts it: registering is sent once, and a lost answer is looked up, never repeated.
"""
