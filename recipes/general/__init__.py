"""How the general questions and lessons were made that ship with ftkit."""
