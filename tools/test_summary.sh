#!/bin/sh
# Prints of ctest logs what their readers look for: failures, pytest's summaries, ctest's own.
# Usage: tools/test_summary.sh <build folder>/ctest.log …; a log that is not there is left out.
set -eu
for log in "$@"; do
  [ -f "$log" ] || continue
  echo "-- $log"
  grep -E '\*\*\*(Failed|Timeout|Exception|Not Run|Skipped)' "$log" | head -n 40 || true
  # What pytest said, also of tests that passed: that is not in ctest.log, which mirrors the screen.
  full="$(dirname "$log")/Testing/Temporary/LastTest.log"
  if [ -f "$full" ]; then
    awk '
      /^[0-9]+\/[0-9]+ Test: / { test = $3; next }
      /^=+ .*(passed|failed|skipped|error).* in .*=+$/ { gsub(/^=+ | =+$/, ""); print test ": " $0 }
      /^(FAILED|ERROR|SKIPPED) / || /^skipped: / { print test ": " $0 }' "$full" | head -n 150
  fi
  sed -n '/tests passed/,$ { /^\[/!p }' "$log"
done
