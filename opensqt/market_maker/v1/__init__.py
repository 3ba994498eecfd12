"""Generated protobuf messages and services, version 1; do not edit."""
