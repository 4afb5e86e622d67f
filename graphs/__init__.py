"""Reference agents: LangGraph graphs as their users write them; nothing here imports `harness`."""
