#!/usr/bin/env bash
# One question to a running server: URL=http://host:8000 FTKIT_TOKEN=... ./smoke.sh "Where is my order?"
set -euo pipefail
curl --fail --silent --show-error "$${URL:-http://127.0.0.1:8000}/v1/chat/completions" \
  -H "Authorization: Bearer $${FTKIT_TOKEN:-}" -H "Content-Type: application/json" \
  -d "{\"model\": \"$name\", \"messages\": [{\"role\": \"user\", \"content\": \"$${1:-Hello}\"}]}"
