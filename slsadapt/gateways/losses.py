"""What gateways lose between the client and the function, or on the way back, in one vocabulary.

A dialect lists in ``LOSES`` what its gateway cannot carry; ``slsadapt dialects`` prints the
sentences, and the property tests hold every dialect to carrying all the rest. No gateway whose
event is JSON keeps the order of headers with different names.
"""

from __future__ import annotations

__all__ = ["LOSSES"]

LOSSES = {
    "path": "the path: it never arrives",
    "path_escapes": "escapes of the path: it arrives decoded, so %2F is / and what follows an "
    "escaped ? or is not UTF-8 is lost",
    "path_slashes": "all but one / at the start of the path",
    "path_octets": "octets of the path that are not UTF-8",
    "query_order": "the order of different query keys",
    "query_escapes": "how the query was escaped (%20 or +), and octets that are not UTF-8",
    "query_flags": "whether a query key without value had an =",
    "query_semicolons": "that a ; does not separate query keys",
    "query_last": "all but the last value of a query key that repeats",
    "query_commas": "whether a query key repeated or its value had a comma",
    "header_repeats": "whether a header repeated or its value had a comma",
    "header_last": "all but the last value of a header that repeats",
    "binary_body": "request bodies that are not UTF-8",
    "scheme": "whether the client came by http",
    "port": "the port that the client asked for, where Host does not name it",
    "server": "the host that the client asked for, without a Host header",
    "client": "the client's address",
    "client_port": "the client's port",
    "stage": "the stage",
    "root_path": "what the client's URL has in front of the application",
    "base_path": "what a custom domain has in front of the application, unlike the stage",
    "request_id": "an id of the request",
    "user": "the caller that the gateway authorized",
    "headers": "the handshake's headers",
    "query": "the handshake's query",
    "close_code": "why a connection was closed",
    "response_repeats": "response headers that repeat: they are joined with commas",
    "response_octets": "octets that are not UTF-8 in responses of a text type",
    "response_binary": "response bodies that are not UTF-8: they are refused",
}
