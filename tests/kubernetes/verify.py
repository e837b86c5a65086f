"""Says what is wrong with rendered manifests, beyond what a schema can see.

    verify.py NAME FILE PROGRAM

NAME is what messages call the rendering. The configuration in it is given to `PROGRAM check`, with the
variables that the pod would have. Ends with 1 after a line for each fault.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

# Each exit code of the program, and whether another try of the Job may help. A code that the program has and
# this table has not, or the other way round, is a fault: whoever adds one decides here.
RETRIED = {0: None, 1: False, 2: False, 3: False, 4: True, 5: True, 70: False, 74: True, 75: True, 77: False,
           78: False, 130: True, 143: True}
MAY_BE_MOUNTED = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
                  "secret"}
REQUEST_TIMEOUT_S = 30


class Faults(list):
    def unless(self, holds, text):
        if not holds:
            self.append(text)


def pods(objects):
    """(object, pod template) of all that start pods."""
    for one in objects:
        if one["kind"] == "CronJob":
            yield one, one["spec"]["jobTemplate"]["spec"]["template"]
        elif one["kind"] in ("Deployment", "Job", "StatefulSet", "DaemonSet"):
            yield one, one["spec"]["template"]


def judge_pod(faults, template, cluster_gives_user):
    """The restricted Pod Security Standard, and what this program wants beyond it."""
    spec = template["spec"]
    security = spec.get("securityContext", {})
    faults.unless(spec.get("automountServiceAccountToken") is False, "a token is mounted")
    faults.unless(spec.get("enableServiceLinks") is False, "service links are set")
    faults.unless(spec.get("terminationGracePeriodSeconds", 30) > REQUEST_TIMEOUT_S,
                  "the grace is no longer than a request may take")
    faults.unless(security.get("runAsNonRoot") is True, "may run as root")
    faults.unless(security.get("seccompProfile", {}).get("type") == "RuntimeDefault", "no seccomp profile")
    faults.unless(cluster_gives_user or security.get("runAsUser") == 65532 == security.get("fsGroup"),
                  "not user and group 65532")
    for host in ("hostNetwork", "hostPID", "hostIPC"):
        faults.unless(not spec.get(host), f"{host} is set")
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    for volume in volumes.values():
        kinds = set(volume) - {"name"}
        faults.unless(kinds <= MAY_BE_MOUNTED, f"volume {volume['name']} is {kinds}")
        if "secret" in volume:
            faults.unless(volume["secret"].get("defaultMode") == 0o440, f"mode of secret {volume['name']} is not 0440")
    containers = spec.get("containers", []) + spec.get("initContainers", [])
    faults.unless(len(containers) == 1, f"{len(containers)} containers")
    for container in containers:
        judge_container(faults, container, volumes)


def judge_container(faults, container, volumes):
    security = container.get("securityContext", {})
    faults.unless(security.get("allowPrivilegeEscalation") is False, "privileges may be gained")
    faults.unless(security.get("capabilities") == {"drop": ["ALL"]}, "capabilities are not all dropped")
    faults.unless(security.get("readOnlyRootFilesystem") is True, "the root can be written to")
    faults.unless(security.get("runAsNonRoot") is True, "the container may run as root")
    faults.unless(security.get("privileged") is False, "privileged")
    faults.unless("memory" in container.get("resources", {}).get("limits", {}), "no limit of memory")
    faults.unless("memory" in container.get("resources", {}).get("requests", {}), "no request of memory")
    faults.unless(re.search(r"(:[\w][\w.-]*|@sha256:[0-9a-f]{64})$", container["image"]), f"image {container['image']}")
    for mount in container.get("volumeMounts", []):
        faults.unless(mount["name"] in volumes, f"mount {mount['name']} has no volume")
        faults.unless("subPath" not in mount, f"mount {mount['name']} has a subPath and would never see an edit")
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    faults.unless(mounted == set(volumes), f"volumes {set(volumes) - mounted} are not mounted")
    for variable in container.get("env", []):
        secret = re.search("KEY|PASSWORD|TOKEN|STATE__URL", variable["name"])
        faults.unless(not (secret and "value" in variable), f"{variable['name']} holds a secret in the open")


def judge_cron_job(faults, cron_job, help_text):
    spec, job = cron_job["spec"], cron_job["spec"]["jobTemplate"]["spec"]
    faults.unless(spec.get("concurrencyPolicy") == "Forbid", "two runs may go at a time")
    faults.unless(spec.get("timeZone"), "no time zone")
    faults.unless(spec.get("startingDeadlineSeconds", 0) >= 10, "startingDeadlineSeconds is under 10 or not set")
    faults.unless(job["template"]["spec"].get("restartPolicy") == "Never", "podFailurePolicy needs restartPolicy Never")
    for key in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        faults.unless(key in job, f"no {key}")
    first, second = job["podFailurePolicy"]["rules"]
    faults.unless(first["action"] == "Ignore" and first["onPodConditions"][0]["type"] == "DisruptionTarget",
                  "a drained pod counts as a failed try")
    exits = second["onExitCodes"]
    containers = [container["name"] for container in job["template"]["spec"]["containers"]]
    faults.unless(exits["containerName"] in containers, f"no container {exits['containerName']}")
    known = {int(code) for code in re.findall(r"^  (\d+) ", help_text.split("Exit codes:")[1], re.MULTILINE)}
    faults.unless(known == set(RETRIED), f"the program's exit codes are {sorted(known)}, decided on are {sorted(RETRIED)}")
    final = sorted(code for code, retried in RETRIED.items() if retried is False)
    faults.unless(second["action"] == "FailJob" and exits["operator"] == "In" and exits["values"] == final,
                  f"no second try after {exits['values']}, and should be after {final}")


def judge_deployment(faults, deployment):
    spec = deployment["spec"]
    faults.unless(spec.get("replicas") == 1, "not one replica")
    faults.unless(spec.get("strategy") == {"type": "Recreate"}, "two pods at a time in an update")
    labels = spec["template"].get("metadata", {}).get("labels", {})
    faults.unless(spec["selector"]["matchLabels"].items() <= labels.items(), "the selector does not match its pods")
    for probe in ("livenessProbe", "readinessProbe"):
        command = spec["template"]["spec"]["containers"][0].get(probe, {}).get("exec", {}).get("command")
        wanted = ["/batchsweep", "healthcheck"] + (["--ready"] if probe == "readinessProbe" else [])
        faults.unless(command in (None, wanted), f"{probe} runs {command}")


def judge_network(faults, objects):
    for policy in (one for one in objects if one["kind"] == "NetworkPolicy"):
        wanted = policy["spec"]["podSelector"]["matchLabels"]
        for _, template in pods(objects):
            labels = template.get("metadata", {}).get("labels", {})
            faults.unless(wanted.items() <= labels.items(), "the NetworkPolicy is about other pods")
        faults.unless(sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"], "one direction is open")


def judge_names(faults, objects):
    """What is made here is what the pod uses. Claims and accounts that are there already are not made here."""
    for _, template in pods(objects):
        spec = template["spec"]
        claims = {volume["persistentVolumeClaim"]["claimName"] for volume in spec["volumes"]
                  if "persistentVolumeClaim" in volume}
        used = {"PersistentVolumeClaim": claims, "ServiceAccount": {spec["serviceAccountName"]}}
        for one in objects:
            faults.unless(one["metadata"]["name"] in used.get(one["kind"], {one["metadata"]["name"]}),
                          f"{one['kind']} {one['metadata']['name']} is not used")


def check_configuration(faults, objects, program):
    """`PROGRAM check` on each configuration, laid out as the pod would see it."""
    maps = {one["metadata"]["name"]: one.get("data", {}) for one in objects if one["kind"] == "ConfigMap"}
    for _, template in pods(objects):
        container = template["spec"]["containers"][0]
        volume = next(volume for volume in template["spec"]["volumes"] if volume["name"] == "config")["configMap"]
        if volume["name"] not in maps:
            continue  # somebody else's ConfigMap
        data = maps[volume["name"]]
        items = volume.get("items") or [{"key": key, "path": key} for key in data]
        variables = {variable["name"]: variable.get("value", "postgres://user:word@db.example/ops")
                     for variable in container.get("env", [])}
        with tempfile.TemporaryDirectory() as folder:
            for item in items:
                path = Path(folder, item["path"])
                path.parent.mkdir(exist_ok=True)
                path.write_text(data[item["key"]])
            ended = subprocess.run([program, "--config", f"{folder}/config.toml", "check"], capture_output=True, text=True,
                                   env={"STATE_DIRECTORY": "/var/lib/batchsweep", **variables}, check=False)
            faults.unless(ended.returncode == 0, f"`batchsweep check` ends with {ended.returncode}:\n{ended.stderr}{ended.stdout}")


def main(name, file, program):
    objects = [one for one in yaml.safe_load_all(Path(file).read_text()) if one]
    help_text = subprocess.run([program, "--help"], capture_output=True, text=True, env={}, check=True).stdout
    faults = Faults()
    started = list(pods(objects))
    faults.unless(len(started) == 1, f"{len(started)} objects start pods")
    faults.unless(not any(one["kind"] == "Secret" for one in objects), "a Secret is made, and its value kept in the open")
    cluster_gives_user = os.environ.get("CLUSTER_GIVES_USER") == "yes"
    for one, template in started:
        judge_pod(faults, template, cluster_gives_user)
        if one["kind"] == "CronJob":
            judge_cron_job(faults, one, help_text)
        else:
            judge_deployment(faults, one)
    judge_network(faults, objects)
    judge_names(faults, objects)
    check_configuration(faults, objects, program)
    for fault in faults:
        print(f"FAILED  {name}: {fault}")
    if not faults:
        kinds = ", ".join(sorted(one["kind"] for one in objects))
        print(f"ok      {name}: {kinds}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
