"""Says in a line how the targets of a Prometheus fare; its API's answer comes on standard input."""
import json
import sys

targets = json.load(sys.stdin)["data"]["activeTargets"]
said = [f'{one["labels"]["job"]} {one["health"]} {one["lastError"]}'.strip() for one in targets]
print(", ".join(said))
sys.exit(any(one["health"] != "up" for one in targets))
