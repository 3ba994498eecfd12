"""Venue adapters: ccxt transport, native streams, codecs, error table."""
