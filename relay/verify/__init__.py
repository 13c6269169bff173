"""Who sent this? Schemes that verify a request over its raw bytes, and sign one for `relay send`.

`scheme` is the contract, `schemes` the table; every other module is a scheme, or shared by several.
"""

from relay.verify.scheme import EventDefaults, Handshake, Incoming, Scheme, Signed

__all__ = ["EventDefaults", "Handshake", "Incoming", "Scheme", "Signed"]
