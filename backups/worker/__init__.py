"""What works in the background: the one place that knows every package.

``kinds``       which steps a kind of run has, and what the ticker does periodically
``tasks``       what django-q2 runs: look at a run
``ticker``      every second on every host: doorbells for due runs, heartbeat, checkpoints
``supervisor``  keeps the queue's processes and the ticker alive, and replaces them when they stall
"""
