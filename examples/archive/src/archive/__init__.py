"""A video archive whose tasks the demo runs."""
