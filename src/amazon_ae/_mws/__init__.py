"""Amazon MWS as a backend; a host begins with ``MwsClient``."""
