"""Where to compute: which device, how many poses fit into its memory, how many threads work at a time."""
