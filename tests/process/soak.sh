#!/usr/bin/env bash
# Two hundred kills at random moments, a quarter of them with a second one while the run goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
ASSAY_TEST_KILLS=${1:-200} cargo test --test process kills::a_run_killed_at_any_moment -- --nocapture
