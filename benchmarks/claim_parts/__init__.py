"""What `bench claims` and `bench optimizations` measure."""
