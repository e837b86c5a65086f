"""Holds a Grafana dashboard to its shape: unique panels that do not overlap, each with a query and a data source."""
import json
import sys

board = json.load(open(sys.argv[1]))
for key in ("title", "uid", "schemaVersion", "panels", "templating", "time"):
    assert key in board, f"no {key}"
assert board.get("id") is None, "an id belongs to one Grafana"
ids, cells = set(), set()
for panel in board["panels"]:
    assert panel["id"] not in ids, f'panel {panel["id"]} twice'
    ids.add(panel["id"])
    place = panel["gridPos"]
    assert 0 <= place["x"] and place["x"] + place["w"] <= 24, f'{panel["title"]} is off the grid'
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            assert (x, y) not in cells, f'{panel["title"]} overlaps'
            cells.add((x, y))
    assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    for target in panel["targets"]:
        assert target["expr"] and target["datasource"]["uid"] == "${datasource}", panel["title"]
print(f'{len(ids)} panels')
