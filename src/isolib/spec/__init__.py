"""What is wanted: pure, frozen values that know how to say what is wrong with them, and nothing of any host."""
