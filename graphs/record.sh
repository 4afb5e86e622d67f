#!/usr/bin/env bash
# Start the local model, record every reference suite under every variant anew, stop the model.
set -euo pipefail
port=${PORT:-8177}
mkdir -p .harness
python -m graphs.local_model --port "$port" --template graphs/tool_template.jinja >.harness/local_model.log 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
python - "$port" <<'PY'
import socket, sys, time

deadline = time.monotonic() + 60
while True:
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=1).close()
        break
    except OSError:
        if time.monotonic() > deadline:
            sys.exit("the local model did not start within a minute")
        time.sleep(0.2)
PY
export OPENAI_BASE_URL="http://127.0.0.1:$port/v1" OPENAI_API_KEY=local
set +e # a case that could not be recorded whole is asked again below
harness record --all support_triage --variant default --variant v1 --variant v2 --variant v2_zero_shot
harness record --all research_loop
harness record --all resilient_chain --variant default --variant patient
harness record --all safe_agent --variant default --variant steps_first --variant iterations_first --variant tool_calls_first
harness record --all docs_router
harness record --all semantic_router
harness record --all intent_workflow
harness record --all rag_data_agent
harness record --all approval_agent
harness record --all approval_agent_review
harness record --all supervisor_team
harness record --all handoff_swarm
harness record --all tool_controller
# What an agent asks after an answer that a fault damages is known only once that answer is recorded.
harness record
harness record
set -e
harness record
harness cassettes prune --yes # what only a trial without its fault asks
