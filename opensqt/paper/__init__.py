"""Paper venue process: a venue dialect on real sockets around the market model."""
