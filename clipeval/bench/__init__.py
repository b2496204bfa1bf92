"""The latency protocol: what is timed, how, and what else a stage costs."""
