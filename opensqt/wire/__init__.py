"""Core types to and from protobuf messages."""
