"""The outside world. One package per outside system; dataclasses in and out, a timeout on each call.

Nothing here knows a model, a request or a setting, so that every gateway can be used and tested without
Django.
"""
