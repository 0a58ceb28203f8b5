"""C sources, how they are compiled when htzoo is installed, and the library made of them."""
