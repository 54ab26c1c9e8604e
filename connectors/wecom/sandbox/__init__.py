"""A stand-in for WeCom's server API, with its limits, its 24 hours and its callbacks.

The connector cannot tell it from WeCom: it speaks the documented calls under ``/cgi-bin/``
and answers a broken limit with the documented errcode; it also counts it. Staff, customers
and time are played through the control side under ``/sandbox/`` (loopback only): see the
README here, ``client.SandboxControl`` and ``serve.running_sandbox``.
"""
