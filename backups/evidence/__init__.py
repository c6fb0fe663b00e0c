"""Pages of the audit log: the list with its filters, one entry whole, the state of the chain, and exports.

Reads what ``audit`` keeps. Looking and exporting leave entries themselves (``services``).
"""
