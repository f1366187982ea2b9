"""One file per way to execute a job, behind one small protocol.

May import specs, contract and images.
"""
