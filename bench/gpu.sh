#!/usr/bin/env bash
# Builds, checks and measures everything on a machine with a GPU: bench/README.md says how to use it.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
[ -e "$root/node_modules/tsx" ] || (cd "$root" && npm ci --no-audit --no-fund)
exec node --import "$root/node_modules/tsx/dist/loader.mjs" "$root/tools/gpu/main.ts" "$@"
