"""An agent as a service: any of the graphs behind HTTP, with background runs, server-sent events, threads and a graceful end."""
