"""What a container is made from."""
