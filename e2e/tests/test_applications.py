"""Applications run by the operator: results of successful ones, and error reports for those that cannot run."""

import base64
import io
import tarfile
import zipfile

import pytest
import yaml
from applications import PROGRAMS, application, completed, condition, error, pods, programs, running_executors, state, until
from lab import LabError, machine

pytestmark = pytest.mark.usefixtures("operator")


def test_the_example_runs_and_prints_the_answer(kubectl):
    (example,) = yaml.safe_load_all((machine.ROOT / "examples" / "chapter15.yaml").read_text())
    # Two executors and a driver with one CPU each may not fit on two small nodes.
    for role in ["driver", "executor"]:
        example["spec"][role]["coreRequest"] = "100m"
    kubectl.create(example)
    found, printed = completed(kubectl, "chapter15", 180)
    assert "[Row(sum(id)=2500000000000)]" in printed
    status = found["status"]
    assert status["executionAttempts"] == 1 and not status.get("failures")
    assert status["progress"]["tasks"]["done"] == status["progress"]["tasks"]["total"] > 11
    assert condition(found, "Succeeded")["status"] == "True"
    assert condition(found, "Succeeded")["observedGeneration"] == found["metadata"]["generation"]
    # The driver's pod is kept for inspection, executors are not.
    assert list(pods(kubectl, "chapter15", "driver")) == ["chapter15-driver"]
    assert status["executors"]["running"] == 0
    row = kubectl("get", "sparkapp", "chapter15").splitlines()[1].split()
    assert row[:2] == ["chapter15", "COMPLETED"]
    events = [event["reason"] for event in kubectl.all("events", "--field-selector=involvedObject.name=chapter15")]
    assert {"SparkApplicationSubmitted", "SparkDriverRunning", "SparkApplicationCompleted"} <= set(events)


def test_an_sql_file_runs_statement_by_statement(kubectl):
    text = """
        create temporary view numbers as select id, id % 3 as kind from range(1000);
        select kind, count(*) as many, sum(id) as total from numbers group by kind order by kind;
    """
    kubectl.create(programs(count_sql=text), application("sql", "count.sql"))
    _, printed = completed(kubectl, "sql")
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in printed.splitlines() if line.startswith("|")]
    assert rows == [["kind", "many", "total"], ["0", "334", "166833"], ["1", "333", "166167"], ["2", "333", "166500"]], printed


def test_python_functions_rdds_broadcasts_and_accumulators_run_in_pods(kubectl):
    """The cells of the book, with a lambda, an RDD and a pandas function, on executors of two nodes."""
    text = """
        import pandas as pd
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import pandas_udf, udf
        spark = SparkSession.builder.master("yarn").getOrCreate()
        sc = spark.sparkContext
        words = sc.parallelize("Spark The Definitive Guide : Big Data Processing Made Simple".split(" "), 2)
        suppBroadcast = sc.broadcast({"Spark": 1000, "Definitive": 200, "Big": -300, "Simple": 100})
        print(words.map(lambda word: (word, suppBroadcast.value.get(word, 0))).sortBy(lambda wordPair: wordPair[1]).collect()[0])
        seen = sc.accumulator(0)
        spark.range(1000, numPartitions=4).foreach(lambda row: seen.add(row.id))
        print("seen", seen.value)
        double = udf(lambda n: n * 2, "long")
        half = pandas_udf(lambda values: values / 2, "double")
        print("summed", spark.range(1000, numPartitions=4).select(double("id").alias("n")).select(half("n").alias("n")).groupBy().sum("n").first()[0])
        def identity():
            import os
            return [(os.getuid(), sorted(name for name in os.environ if "TOKEN" in name or "SECRET" in name))]
        print(sc.parallelize([0], 1).mapPartitions(lambda _: identity()).collect())
    """
    kubectl.create(programs(book_py=text), application("book", "book.py", executors=2))
    _, printed = completed(kubectl, "book", 180)
    for line in ["('Big', -300)", "seen 499500", "summed 499500.0", "[(185, [])]"]:
        assert line in printed, printed


def test_files_modules_and_archives_reach_the_functions_of_pods(kubectl):
    text = """
        import helper
        from pyspark import SparkFiles
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        def seen(_):
            import helper
            import packed
            with open(SparkFiles.get("words")) as words, open(SparkFiles.get("env/inner/note.txt")) as note:
                return helper.NAME, packed.NAME, words.read(), note.read()
        print(helper.NAME, set(spark.sparkContext.parallelize(range(8), 8).map(seen).collect()))
    """
    held = programs(app_py=text, helper_py="NAME = 'a module'", data_txt="a file")
    held["binaryData"] = {"env.tar.gz": packed_files({"inner/note.txt": "an archive"}), "more.zip": zipped_files({"packed.py": "NAME = 'a package'"})}
    deps = {
        "pyFiles": [f"local://{PROGRAMS}/helper.py", f"local://{PROGRAMS}/more.zip"],
        "files": [f"local://{PROGRAMS}/data.txt#words"],
        "archives": [f"local://{PROGRAMS}/env.tar.gz#env"],
    }
    kubectl.create(held, application("needy", "app.py", executors=2, deps=deps))
    _, printed = completed(kubectl, "needy", 180)
    assert "a module {('a module', 'a package', 'a file', 'an archive')}" in printed, printed


def test_an_archive_brings_the_interpreter_of_program_and_functions(kubectl):
    """A virtual environment as `venv-pack` makes it: its interpreter is a link to the one of the image."""
    text = """
        import sys
        import inner
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import udf
        spark = SparkSession.builder.getOrCreate()
        @udf("string")
        def seen(_):
            import inner
            return f"{inner.NAME} in {sys.prefix.rsplit('/', 1)[1]}"
        print("here", inner.NAME, {row[0] for row in spark.range(8, numPartitions=8).select(seen("id")).collect()})
    """
    site = "lib/python3.11/site-packages"
    packed = packed_files(
        {
            "pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = false\n",
            f"{site}/image.pth": f"/opt/firesteel/python/{site}\n",
            f"{site}/inner.py": "NAME = 'a module'",
        },
        links={"bin/python": "/usr/bin/python3"},
    )
    held = {**programs(app_py=text), "binaryData": {"packed.tar.gz": packed}}
    deps = {"archives": [f"local://{PROGRAMS}/packed.tar.gz#environment"]}
    conf = {"spark.pyspark.python": "./environment/bin/python"}
    kubectl.create(held, application("packed", "app.py", executors=2, deps=deps, sparkConf=conf))
    _, printed = completed(kubectl, "packed", 180)
    assert "here a module {'a module in environment'}" in printed, printed


def packed_files(texts, links={}):
    """A `.tar.gz` file with these texts and symbolic links, in Base64."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, target in links.items():
            about = tarfile.TarInfo(name)
            about.type, about.linkname = tarfile.SYMTYPE, target
            archive.addfile(about)
        for name, text in texts.items():
            about = tarfile.TarInfo(name)
            about.size = len(text.encode())
            archive.addfile(about, io.BytesIO(text.encode()))
    return base64.b64encode(data.getvalue()).decode()


def zipped_files(texts):
    """The same as a `.zip` file."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return base64.b64encode(data.getvalue()).decode()


def test_a_search_for_hyper_parameters_survives_the_loss_of_an_executor(kubectl):
    kubectl.create(application("search", "/opt/firesteel/examples/hyperparameters.py", executors=2))
    victim = min(running_executors(kubectl, "search", 2))
    kubectl.eventually("sparkapp", "search", lambda found: found["status"].get("progress", {}).get("tasks", {}).get("done", 0) >= 2)
    kubectl("delete", "pod", victim, "--grace-period=1", "--wait=false")
    found, printed = completed(kubectl, "search", 180)
    assert "The best of 24 trials is 19: layers (64, 64), tanh, rate 0.01: 100.0% right" in printed, printed
    assert [each["name"] for each in found["status"]["failures"]] == [victim]
    # An executor with one slot runs one trial; the results of its earlier ones are at the driver.
    assert found["status"]["progress"]["tasks"]["failed"] <= 1


@pytest.mark.parametrize(
    "where, wrong, expected",
    [
        (["spec", "driver"], {"cores": "two"}, "spec.driver.cores"),
        (["spec"], {"mainAplicationFile": "local:///a.py"}, 'unknown field "mainAplicationFile"'),
        (["spec", "restartPolicy"], {"type": "Sometimes"}, "spec.restartPolicy.type"),
        (["spec"], {"mainApplicationFile": None}, "mainApplicationFile"),
    ],
)
def test_a_typo_is_refused_at_once_and_the_field_is_named(kubectl, where, wrong, expected):
    manifest = application("typo", "/opt/firesteel/examples/pi.py")
    place = manifest
    for name in where:
        place = place.setdefault(name, {})
    place.update(wrong)
    with pytest.raises(LabError) as refused:
        kubectl.create(manifest)
    assert expected in str(refused.value)
    assert not kubectl.all("sparkapp")


def test_a_failing_program_is_reported_with_its_exit_code_and_last_lines(kubectl):
    kubectl.create(programs(fails_py="import sys\nprint('begins')\nsys.exit('the input is wrong')\n"), application("fails", "fails.py"))
    found = until(kubectl, "fails", "FAILED")
    assert "exit code 1" in error(found) and "the input is wrong" in error(found)
    (failure,) = found["status"]["failures"]
    assert failure["name"] == "fails-driver" and failure["exitCode"] == 1
    assert "the input is wrong" in failure["message"]
    assert found["status"]["executionAttempts"] == 1
    assert condition(found, "Failed")["status"] == "True"
    assert "begins" in kubectl("logs", "fails-driver")


def test_a_failing_program_runs_again_as_often_as_allowed(kubectl):
    retries = {"type": "OnFailure", "onFailureRetries": 2, "onFailureRetryInterval": 1}
    kubectl.create(programs(fails_py="raise SystemExit(7)\n"), application("fails", "fails.py", restartPolicy=retries))
    found = until(kubectl, "fails", "FAILED", 180)
    assert found["status"]["executionAttempts"] == 3
    assert [(each["attempt"], each["exitCode"]) for each in found["status"]["failures"]] == [(1, 7), (2, 7), (3, 7)]


def test_arguments_of_any_length_reach_the_program_and_no_secret_does(kubectl):
    text = """
        import os, sys
        print(len(sys.argv) - 1, sum(map(len, sys.argv[1:])), sys.argv[8][:4])
        print([name for name in os.environ if name.startswith(("FIRESTEEL_SETTINGS", "FIRESTEEL_TOKEN", "FIRESTEEL_IDENTITY"))])
    """
    kubectl.create(programs(args_py=text), application("long", "args.py", *["$(x)" * 5_000] * 8))
    _, printed = completed(kubectl, "long")
    assert printed.strip().splitlines()[-2:] == ["8 160000 $(x)", "[]"]


TYPOS = [
    ({"executor": {"instnaces": 2}}, "instnaces"),
    ({"executor": {"instances": "two"}}, "spec.executor.instances"),
    ({"executor": {"memory": "lots"}}, "spec.executor.memory"),
    ({"mode": "clustre"}, "spec.mode"),
    ({"type": "Scala", "mainClass": "com.example.Main"}, "spec.type.*there is no JVM"),
    ({"restartPolicy": {"type": "Sometimes"}}, "spec.restartPolicy.type"),
    ({"timeToLiveSeconds": -1}, "spec.timeToLiveSeconds"),
    ({"sparkConf": {"spark.sql.extensions": "a.B"}}, "spark.sql.extensions: is not supported"),
    ({"sparkConf": {"spark.sql.shuffle.partitions": "many"}}, "spark.sql.shuffle.partitions: must be a whole number"),
    ({"driver": {"labels": {"team": "data team"}}}, "spec.driver.labels"),
]


@pytest.mark.parametrize(("change", "name"), TYPOS, ids=[name for _, name in TYPOS])
def test_a_typo_is_refused_by_its_name(kubectl, change, name):
    wrong = application("typo", "/opt/firesteel/examples/chapter15.py")
    for field, value in change.items():
        wrong["spec"][field] = {**wrong["spec"][field], **value} if isinstance(wrong["spec"].get(field), dict) else value
    with pytest.raises(LabError, match=name):
        kubectl.create(wrong)


def test_refusals_by_the_operator_are_in_the_status(kubectl):
    kubectl.create(application("odd", "/opt/app.py", driver={"affinity": {"nodeAffinity": "near"}}))
    found = until(kubectl, "odd", "FAILED")
    assert "spec.driver.affinity" in error(found)
    assert condition(found, "Accepted")["status"] == "False" and "spec.driver.affinity" in condition(found, "Accepted")["message"]
    assert pods(kubectl, "odd") == {}


def test_a_missing_image_is_reported_and_can_be_corrected(kubectl):
    kubectl.create(programs(one_py="print(1)\n"), application("image", "one.py", image="localhost/firesteel/no-such:1"))
    pulls = {"ErrImagePull", "ImagePullBackOff"}
    found = kubectl.eventually("sparkapp", "image", lambda found: condition(found, "DriverReady").get("reason") in pulls)
    assert state(found) == "SUBMITTED" and "no-such:1" in condition(found, "DriverReady")["message"]
    right = application("image", "one.py")["spec"]["image"]
    kubectl("patch", "sparkapp", "image", "--type=merge", f'--patch={{"spec": {{"image": "{right}"}}}}')
    found, printed = completed(kubectl, "image")
    assert printed.strip().splitlines()[-1] == "1"
    assert condition(found, "Succeeded")["observedGeneration"] == 2


def test_an_executor_without_a_node_is_reported(kubectl):
    text = "from pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().range(10).count())\n"
    kubectl.create(programs(count_py=text), application("large", "count.py", executor={"coreRequest": "500"}))
    found = kubectl.eventually("sparkapp", "large", lambda found: condition(found, "ExecutorsReady").get("reason") == "Unschedulable")
    assert state(found) == "RUNNING"
    assert "large-exec-" in condition(found, "ExecutorsReady")["message"] and "Insufficient cpu" in condition(found, "ExecutorsReady")["message"]
    assert found["status"]["executors"]["pending"] == 1


def test_arguments_variables_and_labels_reach_the_pods(kubectl):
    text = """
        import os, sys
        print(sys.argv[1:], os.environ["MINE"])
    """
    env = [{"name": "MINE", "value": "$(yes) $HOME"}]
    wanted = application("told", "args.py", "a b", "$(c)", driver={"env": env, "labels": {"team": "data"}, "annotations": {"note": "x"}})
    kubectl.create(programs(args_py=text), wanted)
    _, printed = completed(kubectl, "told")
    assert printed.strip().splitlines()[-1] == "['a b', '$(c)'] $(yes) $HOME"
    (pod,) = pods(kubectl, "told", "driver").values()
    assert pod["metadata"]["labels"]["team"] == "data" and pod["metadata"]["annotations"]["note"] == "x"
