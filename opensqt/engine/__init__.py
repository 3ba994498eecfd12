"""Plain async classes on ports: the decision cycle, gate, recovery and links."""
