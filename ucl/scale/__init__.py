"""What a bridge of any size costs, from unit costs that were measured."""
