"""Grid strategies: lattice, planner and quiet band."""
