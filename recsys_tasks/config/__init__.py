"""What a run is told: settings and connections in, refused where they contradict each other."""
