"""Graphs: how they are declared, read, checked and laid out for running."""
