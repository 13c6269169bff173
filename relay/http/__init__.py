"""HTTP/1.1, both sides: headers, bodies, answers, exchanges, and where the relay may dial."""
