"""Settings files and environment, validated into frozen core configs."""
