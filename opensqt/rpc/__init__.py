"""gRPC clients and servers, and nothing else."""
