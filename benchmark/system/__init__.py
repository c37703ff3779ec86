"""The machine at hand: paths, durable files, digests, processes, sealed artefacts."""
