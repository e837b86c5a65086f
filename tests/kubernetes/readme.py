"""Writes the tables of the chart's README from the `## @param` lines of its values, or says that they differ.

    readme.py [--write] CHART

Also says which values have no such line, and which lines are of no value.
"""

import json
import re
import sys
from pathlib import Path

import yaml

BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"


def leaves(value, path=""):
    """The names of values that a person sets: what a line describes as a whole is one."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path


def at(values, path):
    for key in path.split("."):
        values = values[key]
    return values


def tables(text, values):
    lines, described = [], []
    for line in text.splitlines():
        if section := re.fullmatch(r"## @section (.+)", line.strip()):
            lines += ["", f"### {section[1]}", "", "| value | what it is | default |", "|---|---|---|"]
        elif param := re.fullmatch(r"## @param (\S+) (.+)", line.strip()):
            path, what = param.groups()
            default = json.dumps(at(values, path), ensure_ascii=False)
            lines.append(f"| `{path}` | {what} | `{default}` |")
            described.append(path)
    return "\n".join(lines).lstrip("\n") + "\n", described


def main(arguments):
    write = "--write" in arguments
    chart = Path(arguments[-1])
    text = (chart / "values.yaml").read_text()
    values = yaml.safe_load(text)
    wanted, described = tables(text, values)
    faults = []
    for leaf in leaves(values):
        if not any(leaf == path or leaf.startswith(path + ".") for path in described):
            faults.append(f"{leaf} has no line `## @param`")
    readme = (chart / "README.md").read_text()
    before, rest = readme.split(BEGIN)
    present, after = rest.split(END)
    if write:
        (chart / "README.md").write_text(before + BEGIN + wanted + END + after)
    elif present != wanted:
        faults.append("the tables of README.md are not those of values.yaml: run tests/kubernetes/readme.py --write")
    for fault in faults:
        print(f"FAILED  chart README: {fault}")
    if not faults:
        print(f"ok      chart README: {len(described)} values as in values.yaml")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
