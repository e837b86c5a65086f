"""The job as an ops person would write it in Python: list, then Get and DELETE. Loopback only."""
import sys
from datetime import datetime, timedelta, timezone

import requests

url, key = sys.argv[1:3]
session = requests.Session()
session.params = {"api_key": key}
limit = datetime.now(timezone.utc) - timedelta(days=7)
candidates, page = [], 1
while True:
    answer = session.get(f"{url}/batches", params={"page": page, "page_size": 1000}).json()
    for batch in answer["batches"]:
        created = datetime.fromisoformat(batch["created_at"].replace("Z", "+00:00"))
        if batch["name"].startswith("tmp-") and batch["status"] == "idle" and created < limit:
            candidates.append(batch["id"])
    if page >= answer["total_pages"]:
        break
    page += 1
deleted = 0
for id in candidates:
    if session.get(f"{url}/batches/{id}").json()["batch"]["status"] != "idle":
        continue
    if session.delete(f"{url}/batches/{id}").json()["request_info"]["success"]:
        deleted += 1
print(deleted)
