"""The deployment files say what the program and each other have: names, ports, keys, variables."""

import re
import shutil
import subprocess
import tomllib
import unittest
from pathlib import Path

try:
    import yaml
except ImportError:  # Debian: python3-yaml
    yaml = None

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
OURS = "odeon:"  # images of this program
KINDS = {"ConfigMap": "v1", "Service": "v1", "Deployment": "apps/v1", "StatefulSet": "apps/v1",
         "HorizontalPodAutoscaler": "autoscaling/v2"}
# Made by hand before, as kustomization.yaml says.
SECRETS = {"odeon-system": {"database-password", "statestore-key"}}


class OnceLoader(yaml.SafeLoader if yaml else object):
    """Refuses a key that stands twice in one mapping."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(k, deep=True) for k, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice",
                                                    node.start_mark)
        return super().construct_mapping(node, deep)


def load(path):
    with open(path, encoding="utf-8") as f:
        return [d for d in yaml.load_all(f, OnceLoader) if d is not None]


def known_variables():
    """Every variable of the environment that the program's sources name."""
    found = set()
    for folder in ("src/sidecar", "apps/odeon"):
        for source in (ROOT / folder).rglob("*.?pp"):
            if ".test." not in source.name:
                found |= set(re.findall(r'"((?:PROXY|SPAWN|USER_FUNCTION|ODEON)_[A-Z_]+)"',
                                        source.read_text("utf-8")))
    return found


def known_metrics():
    """Every metric that the sidecar shows."""
    text = (ROOT / "src/sidecar/internal/metrics.cpp").read_text("utf-8")
    found = {"odeon_sidecar_" + n for n in re.findall(r'(?:gauge|counter)\(\s*"(\w+)"', text)}
    return found | set(re.findall(r'"(odeon_\w+)"', text))


@unittest.skipIf(yaml is None, "python3-yaml is not installed")
class Compose(unittest.TestCase):
    def setUp(self):
        self.all = load(DEPLOY / "sidecar/compose.yaml")[0]
        self.services = self.all["services"]

    def test_images_have_versions(self):
        for name, service in self.services.items():
            image = service["image"]
            with self.subTest(name):
                self.assertTrue(image.startswith("${") or re.search(r":\d[\w.-]*$", image), image)

    def test_what_is_referred_to_is_there(self):
        for name, service in self.services.items():
            with self.subTest(name):
                for other in service.get("depends_on", []):
                    self.assertIn(other, self.services)
                for volume in service.get("volumes", []):
                    self.assertIn(volume.split(":")[0], self.all["volumes"])
        build = self.services["sidecar"]["build"]
        context = (DEPLOY / "sidecar" / build["context"]).resolve()
        self.assertEqual(context, ROOT)
        self.assertTrue((context / build["dockerfile"]).is_file())

    def test_only_what_is_healthy_is_waited_for(self):
        for name, condition in self.services["sidecar"]["depends_on"].items():
            self.assertEqual(condition["condition"], "service_healthy")
            self.assertIn("healthcheck", self.services[name])

    def test_variables_are_those_of_the_program(self):
        self.assertLessEqual(set(self.services["sidecar"]["environment"]), known_variables())

    def test_app_and_sidecar_find_each_other(self):
        app, sidecar = (self.services[n]["environment"] for n in ("app", "sidecar"))
        self.assertEqual(app["PROXY_HTTP_HOST"], "sidecar")
        self.assertEqual(sidecar["USER_FUNCTION_HOST"], "app")
        for name in ("PROXY_HTTP_PORT", "USER_FUNCTION_PORT"):
            self.assertEqual(app[name], sidecar[name])
        states = self.services["states"]["environment"]
        self.assertIn(sidecar["PROXY_DATABASE_HOST"], self.services)
        self.assertEqual(states["POSTGRES_DB"], sidecar["PROXY_DATABASE_NAME"])
        self.assertEqual(states["POSTGRES_USER"], sidecar["PROXY_DATABASE_USERNAME"])
        self.assertEqual(states["POSTGRES_PASSWORD"], sidecar["PROXY_DATABASE_SECRET"])

    def test_the_sidecar_is_reached_from_this_machine_alone(self):
        for port in self.services["sidecar"]["ports"]:
            self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_secrets_have_no_default(self):
        for service in self.services.values():
            for name, value in service.get("environment", {}).items():
                if re.search("SECRET|PASSWORD|KEY", name):
                    self.assertRegex(value, r"^\$\{\w+:\?")


@unittest.skipIf(yaml is None, "python3-yaml is not installed")
class Kubernetes(unittest.TestCase):
    def setUp(self):
        folder = DEPLOY / "kubernetes"
        files = load(folder / "kustomization.yaml")[0]["resources"]
        self.assertEqual(set(files), {f.name for f in folder.glob("*.yaml")} -
                         {"kustomization.yaml"})
        self.all = [d for f in files for d in load(folder / f)]

    def of(self, kind):
        return {d["metadata"]["name"]: d for d in self.all if d["kind"] == kind}

    def workloads(self):
        return [d for d in self.all if d["kind"] in ("Deployment", "StatefulSet")]

    def containers(self):
        for w in self.workloads():
            for c in w["spec"]["template"]["spec"]["containers"]:
                yield w, c

    def test_each_object_has_its_kind_and_a_name_of_its_own(self):
        seen = set()
        for d in self.all:
            key = (d["kind"], d["metadata"]["name"])
            self.assertNotIn(key, seen)
            seen.add(key)
            self.assertEqual(d["apiVersion"], KINDS[d["kind"]], key)
        kinds = {k for k, _ in seen}
        self.assertEqual(kinds, set(KINDS))

    def test_selectors_find_their_pods_and_ports(self):
        for w in self.workloads():
            labels = w["spec"]["template"]["metadata"]["labels"]
            self.assertLessEqual(w["spec"]["selector"]["matchLabels"].items(), labels.items())
        for name, service in self.of("Service").items():
            with self.subTest(name):
                chosen = [w for w in self.workloads() if service["spec"]["selector"].items() <=
                          w["spec"]["template"]["metadata"]["labels"].items()]
                self.assertEqual(len(chosen), 1)
                ports = {p["name"]: p["containerPort"]
                         for c in chosen[0]["spec"]["template"]["spec"]["containers"]
                         for p in c.get("ports", [])}
                for p in service["spec"]["ports"]:
                    self.assertIn(p["targetPort"], ports)
                if chosen[0]["kind"] == "StatefulSet":
                    self.assertEqual(chosen[0]["spec"]["serviceName"], name)

    def test_images_have_versions_and_containers_bounds(self):
        for w, c in self.containers():
            with self.subTest(w["metadata"]["name"] + "/" + c["name"]):
                self.assertRegex(c["image"], r":\d[\w.-]*$")
                self.assertNotIn("latest", c["image"])
                self.assertIn("memory", c["resources"]["limits"])
                self.assertEqual(set(c["resources"]["requests"]), {"cpu", "memory"})

    def environment(self, container):
        names = {e["name"] for e in container.get("env", [])}
        for source in container.get("envFrom", []):
            names |= set(self.of("ConfigMap")[source["configMapRef"]["name"]]["data"])
        return names

    def test_variables_are_those_of_the_program(self):
        known = known_variables()
        for w, c in self.containers():
            if c["image"].startswith(OURS):
                self.assertLessEqual(self.environment(c), known, w["metadata"]["name"])
                for e in c.get("env", []):
                    self.assertIsInstance(e.get("value", ""), str, e)
        for m in self.of("ConfigMap").values():
            for name, value in m["data"].items():
                self.assertIsInstance(value, str, name)

    def test_configurations_and_secrets_that_are_referred_to_are_there(self):
        maps = self.of("ConfigMap")
        for w, c in self.containers():
            for e in c.get("env", []):
                source = e.get("valueFrom", {})
                if "secretKeyRef" in source:
                    ref = source["secretKeyRef"]
                    self.assertIn(ref["key"], SECRETS[ref["name"]])
                if "configMapKeyRef" in source:
                    ref = source["configMapKeyRef"]
                    self.assertIn(ref["key"], maps[ref["name"]]["data"])
            pod = w["spec"]["template"]["spec"]
            volumes = {v["name"]: v for v in pod.get("volumes", [])}
            claims = {v["metadata"]["name"] for v in w["spec"].get("volumeClaimTemplates", [])}
            for mount in c.get("volumeMounts", []):
                self.assertIn(mount["name"], set(volumes) | claims)
            for v in volumes.values():
                self.assertIn(v["configMap"]["name"], maps)

    def test_files_that_are_named_are_mounted_and_well_formed(self):
        spoken = set(re.findall(r'"sidecar\.([\w.]+)"|\*\.([a-z]+)"|text\("([a-z]+)"', "".join(
            (ROOT / f).read_text("utf-8")
            for f in ("src/sidecar/activator.cpp", "apps/odeon/node/settings.cpp"))))
        known = {word for groups in spoken for word in groups if word}
        named = 0
        for w, c in self.containers():
            volumes = {v["name"]: v for v in w["spec"]["template"]["spec"].get("volumes", [])}
            for path in (a for a in c.get("args", []) if a.startswith("/")):
                mount = next(m for m in c["volumeMounts"] if path.startswith(m["mountPath"] + "/"))
                data = self.of("ConfigMap")[volumes[mount["name"]]["configMap"]["name"]]["data"]
                settings = tomllib.loads(data[path.removeprefix(mount["mountPath"] + "/")])
                self.assertEqual(set(settings), {"sidecar"})
                for kind, value in settings["sidecar"].items():
                    if kind not in ("http", "cron", "nats"):
                        self.assertIn(kind, known)
                        continue
                    for table in value.values():
                        self.assertLessEqual(set(table), known)
                        self.assertLessEqual({"actor", "action"}, set(table))
                named += 1
        self.assertEqual(named, 1)

    def test_hosts_that_are_named_are_services_with_that_port(self):
        data = self.of("ConfigMap")["odeon-system"]["data"]
        services = {n: [p["port"] for p in s["spec"]["ports"]]
                    for n, s in self.of("Service").items()}
        self.assertIn(int(data["PROXY_DATABASE_PORT"]), services[data["PROXY_DATABASE_HOST"]])
        host, port = re.fullmatch(r"nats://([\w-]+):(\d+)",
                                  data["SPAWN_INTERNAL_NATS_HOSTS"]).groups()
        self.assertIn(int(port), services[host])

    def test_the_sidecars_ports_probes_and_user_fit(self):
        for w, c in self.containers():
            if not c["image"].startswith(OURS):
                continue
            with self.subTest(w["metadata"]["name"]):
                port = {p["name"]: p["containerPort"] for p in c["ports"]}["sidecar"]
                values = {e["name"]: e.get("value") for e in c.get("env", [])}
                for source in c.get("envFrom", []):
                    values |= self.of("ConfigMap")[source["configMapRef"]["name"]]["data"]
                self.assertEqual(values["PROXY_HTTP_PORT"], str(port))
                for probe, path in (("livenessProbe", "/health/liveness"),
                                    ("readinessProbe", "/health/readiness")):
                    self.assertEqual(c[probe]["httpGet"], {"path": path, "port": "sidecar"})
                self.assertTrue(c["securityContext"]["runAsNonRoot"])
                notes = w["spec"]["template"]["metadata"]["annotations"]
                self.assertEqual(notes["prometheus.io/port"], str(port))

    def test_app_and_sidecar_of_a_host_find_each_other(self):
        pod = self.of("Deployment")["odeon-host"]["spec"]["template"]["spec"]
        app, sidecar = ({e["name"]: e.get("value") for e in c["env"]} for c in pod["containers"])
        self.assertEqual(app["USER_FUNCTION_PORT"], sidecar["USER_FUNCTION_PORT"])
        self.assertEqual(app["PROXY_HTTP_PORT"],
                         self.of("ConfigMap")["odeon-system"]["data"]["PROXY_HTTP_PORT"])

    def test_two_hosts_never_run_at_once(self):
        spec = self.of("Deployment")["odeon-host"]["spec"]
        self.assertEqual((spec["replicas"], spec["strategy"]["type"]), (1, "Recreate"))

    def test_what_scales_is_there_and_measured(self):
        for h in self.of("HorizontalPodAutoscaler").values():
            target = h["spec"]["scaleTargetRef"]
            scaled = self.of(target["kind"])[target["name"]]
            self.assertNotIn("replicas", scaled["spec"])  # the scaler's business
            self.assertLessEqual(h["spec"]["minReplicas"], h["spec"]["maxReplicas"])
            kinds = [m["type"] for m in h["spec"]["metrics"]]
            self.assertEqual(kinds, ["Resource", "Pods", "Pods"])
            for m in h["spec"]["metrics"][1:]:
                name = m["pods"]["metric"]["name"]  # of a counter, its rate has the name's front
                self.assertTrue({name, name + "_total"} & known_metrics(), name)

    @unittest.skipUnless(shutil.which("kubectl"), "kubectl is not installed")
    def test_kubectl_builds_them(self):
        made = subprocess.run(["kubectl", "kustomize", DEPLOY / "kubernetes"], timeout=240,
                              capture_output=True, text=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        objects = [d for d in yaml.safe_load_all(made.stdout) if d]
        self.assertEqual(len(objects), len(self.all))
        self.assertEqual({d["metadata"]["namespace"] for d in objects}, {"odeon"})


class Dockerfile(unittest.TestCase):
    def setUp(self):
        text = (DEPLOY / "Dockerfile").read_text("utf-8")
        lines = text.replace("\\\n", " ").splitlines()
        self.steps = [line.split(None, 1) for line in lines if line and line[0] not in "#"]

    def of(self, instruction):
        return [rest for name, rest in self.steps if name == instruction]

    def test_its_stages_have_versions(self):
        for image in self.of("FROM"):
            self.assertRegex(image.split()[0], r":\d[\w.-]*$")

    def test_it_is_run_by_nobody_in_particular(self):
        self.assertEqual(self.of("USER"), ["10001"])
        self.assertEqual(self.of("STOPSIGNAL"), ["SIGTERM"])

    def test_its_variables_are_those_of_the_program(self):
        names = {v.split("=")[0] for e in self.of("ENV") for v in e.split()}
        self.assertLessEqual(names, known_variables())

    def test_what_it_copies_is_there(self):
        for copy in self.of("COPY"):
            if not copy.startswith("--from"):
                for path in copy.split()[:-1]:
                    self.assertTrue((ROOT / path).exists(), path)

    def test_what_the_program_links_is_installed(self):
        """Each library of the build has its package in the image that runs."""
        run_stage = " ".join(self.of("RUN")[-1:])
        for package in ("libpq5", "libmariadb3", "libprotobuf32", "libnats3.4", "libsqlite3-0",
                        "libssl3", "libdate-tz3", "libboost-json1.81.0", "libboost-container1.81.0",
                        "libmimalloc2.0", "libspdlog1.10", "libfmt9", "libzstd1"):
            self.assertIn(package, run_stage)


if __name__ == "__main__":
    unittest.main()
