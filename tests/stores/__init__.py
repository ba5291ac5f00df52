"""Object stores on loopback that can be told to fail."""
