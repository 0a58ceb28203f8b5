"""C sources, and what compiles them."""
