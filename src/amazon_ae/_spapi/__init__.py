"""The Selling Partner API: a sibling of `_mws` behind the same seams."""
