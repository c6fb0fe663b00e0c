"""Restores: what exactly would happen, and how it went.

``plan`` is pure: what is asked and what was found go in, the plan comes out: each index, file or Redis database with
what becomes of it, and the very calls that will be sent. A plan is frozen with its request (``approvals``); the steps
do what the frozen plan says, and nothing else. ``verdict`` says what came of it.
"""
