"""Files, modules and archives that a program adds for its functions, on executors that share nothing but the driver."""

import textwrap

from conftest import program_on

START = """
import os, pathlib, sys, tarfile, zipfile
from pyspark import SparkContext, SparkFiles
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf

here = pathlib.Path({here!r})


def same(found, expected):
    assert found == expected, (found, expected)


def on_all(function):
    \"\"\"What a function finds on both executors.\"\"\"
    found = set(sc.parallelize(range(8), 8).map(lambda _: function()).collect())
    assert len(found) == 1, found
    return found.pop()


spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
"""


def check(tmp_path, text, *flags):
    program = START.format(here=str(tmp_path)) + textwrap.dedent(text)
    program_on(tmp_path, program, "local-cluster[2,2,1024]", *flags)


def test_files_and_directories_are_found_by_name(tmp_path):
    check(
        tmp_path,
        """
        (here / "data.txt").write_text("hello")
        (here / "tree" / "deep").mkdir(parents=True)
        (here / "tree" / "deep" / "leaf.txt").write_text("leaf")
        sc.addFile(str(here / "data.txt"))
        same(on_all(lambda: open(SparkFiles.get("data.txt")).read()), "hello")
        sc.addFile(str(here / "tree"), recursive=True)
        same(on_all(lambda: open(SparkFiles.get("tree/deep/leaf.txt")).read()), "leaf")
        same(on_all(lambda: open(SparkFiles.get("data.txt")).read()), "hello")
        # Not the program's own file: each executor has its copy.
        places = set(sc.parallelize(range(8), 8).map(lambda _: SparkFiles.get("data.txt")).collect())
        assert len(places - {SparkFiles.get("data.txt")}) == 2, places
        """,
    )


def test_modules_and_packages_are_imported(tmp_path):
    check(
        tmp_path,
        """
        (here / "elsewhere").mkdir()
        (here / "elsewhere" / "of_module.py").write_text("def answer():\\n    return 42\\n")
        with zipfile.ZipFile(here / "elsewhere" / "packed.zip", "w") as packed:
            packed.writestr("of_zip/__init__.py", "NAME = 'zipped'")


        def module():
            import of_module
            return of_module.answer()


        def package():
            import of_zip
            return of_zip.NAME


        try:
            on_all(module)
            raise AssertionError("there is no such module yet")
        except Exception as failure:
            assert "of_module" in str(failure), failure
        spark.addArtifacts(str(here / "elsewhere" / "of_module.py"), pyfile=True)
        same(on_all(module), 42)
        sc.addPyFile(str(here / "elsewhere" / "packed.zip"))
        same((on_all(module), on_all(package)), (42, "zipped"))
        rows = spark.range(4).repartition(4).select(udf(lambda _: package())("id").alias("name"))
        same({row.name for row in rows.collect()}, {"zipped"})
        """,
    )


def test_archives_are_unpacked_under_their_names(tmp_path):
    check(
        tmp_path,
        """
        (here / "content").mkdir()
        (here / "content" / "one.txt").write_text("1")
        with zipfile.ZipFile(here / "a.zip", "w") as packed:
            packed.write(here / "content" / "one.txt", "one.txt")
        for name, mode in (("b.tar", "w"), ("c.tar.gz", "w:gz"), ("d.tgz", "w:gz")):
            with tarfile.open(here / name, mode) as packed:
                packed.add(here / "content" / "one.txt", "sub/one.txt")
        for name in ("a.zip", "b.tar", "c.tar.gz#env", "d.tgz#other"):
            spark.addArtifacts(str(here / name), archive=True)


        def read(path):
            return on_all(lambda: open(SparkFiles.get(path)).read())


        same([read(path) for path in ("a.zip/one.txt", "b.tar/sub/one.txt", "env/sub/one.txt", "other/sub/one.txt")], ["1"] * 4)
        sc.addArchive(str(here / "a.zip") + "#mine")
        same(read("mine/one.txt"), "1")
        same(open(SparkFiles.get("mine/one.txt")).read(), "1")
        """,
    )


def test_sessions_do_not_see_each_other_s_files_and_none_is_replaced(tmp_path):
    check(
        tmp_path,
        """
        from pyspark.errors import PySparkException


        def added(session, version, place):
            directory = here / place
            directory.mkdir()
            (directory / "versioned.py").write_text(f"VERSION = {version}")
            session.addArtifacts(str(directory / "versioned.py"), pyfile=True)


        @udf("int")
        def version(_):
            import versioned
            return versioned.VERSION


        def found(session):
            # Of equal plans, with a shuffle whose map outputs would be used again.
            rows = session.range(8).repartition(4).select(version("id").alias("v")).groupBy("v").count()
            return [tuple(row) for row in rows.collect()]


        other = SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).create()
        added(spark, 1, "first")
        added(other, 2, "second")
        same((found(spark), found(other)), ([(1, 8)], [(2, 8)]))
        try:
            added(spark, 3, "third")
            raise AssertionError("it must not be replaced")
        except PySparkException as failure:
            same(failure.getErrorClass() if hasattr(failure, "getErrorClass") else failure.getCondition(), "ARTIFACT_ALREADY_EXISTS")
        same(found(spark), [(1, 8)])
        """,
    )


def test_no_file_lies_below_another(tmp_path):
    check(
        tmp_path,
        """
        from pyspark.errors import PySparkException

        with zipfile.ZipFile(here / "x.zip", "w") as packed:
            packed.writestr("c", "packed")
        (here / "up" / "a").mkdir(parents=True)
        (here / "up" / "a" / "b").write_text("below")
        sc.addFile(str(here / "up" / "a" / "b"))
        spark.addArtifacts(str(here / "x.zip") + "#a", archive=True)
        try:
            sc.addFile(str(here / "up" / "a"), recursive=True)
            raise AssertionError("it must be refused")
        except PySparkException as failure:
            same("The artifact files/a/b cannot be added: the artifact archives/x.zip#a already exists" in str(failure), True)
        # Functions of the session go on.
        same([on_all(lambda: open(SparkFiles.get(name)).read()) for name in ("b", "a/c")], ["below", "packed"])
        """,
    )


def test_files_of_the_application_stay_beside_those_that_are_added(tmp_path):
    (tmp_path / "given.txt").write_text("given")
    check(
        tmp_path,
        """
        same(on_all(lambda: open(SparkFiles.get("given.txt")).read()), "given")
        (here / "added.txt").write_text("added")
        sc.addFile(str(here / "added.txt"))
        same([on_all(lambda: open(SparkFiles.get(f"{name}.txt")).read()) for name in ("given", "added")], ["given", "added"])
        """,
        "--files",
        tmp_path / "given.txt",
    )
