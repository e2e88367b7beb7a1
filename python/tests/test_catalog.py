"""`spark.catalog`: databases, tables, views, columns, functions, cache."""

import pytest
from checks import fails, people
from pyspark.errors import AnalysisException
from pyspark.sql import Row


def test_catalogs_and_databases(spark):
    catalog = spark.catalog
    assert catalog.currentCatalog() == "spark_catalog"
    assert "spark_catalog" in [one.name for one in catalog.listCatalogs()]
    assert catalog.currentDatabase() == "default"
    found = catalog.listDatabases()
    assert [(one.name, one.catalog) for one in found if one.name == "default"] == [("default", "spark_catalog")]
    assert catalog.getDatabase("default").name == "default"
    assert catalog.databaseExists("default") and not catalog.databaseExists("nothing")
    fails(lambda: catalog.setCurrentDatabase("nothing"), AnalysisException, "SCHEMA_NOT_FOUND", "42704")


def test_temporary_views(spark):
    catalog, frame = spark.catalog, people(spark)
    assert catalog.dropTempView("v") is False
    frame.createTempView("v")
    fails(lambda: frame.createTempView("v"), AnalysisException, "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", relationName="`v`")
    frame.limit(1).createOrReplaceTempView("V")
    assert spark.table("v").count() == 1
    assert catalog.tableExists("v")
    found = catalog.getTable("v")
    assert (found.name, found.catalog, found.namespace, found.tableType, found.isTemporary) == ("v", None, [], "TEMPORARY", True)
    assert [one.name.lower() for one in catalog.listTables() if one.isTemporary] == ["v"]
    assert [(one.name, one.dataType, one.nullable) for one in catalog.listColumns("v")] == [("age", "bigint", True), ("name", "string", True)]
    assert catalog.dropTempView("v") is True
    fails(lambda: spark.table("v").schema, AnalysisException, "TABLE_OR_VIEW_NOT_FOUND")


def test_global_views_are_seen_by_all_sessions(spark, server):
    from conftest import session

    spark.range(2).createGlobalTempView("everyone")
    try:
        with session(server) as other:
            assert other.table("global_temp.everyone").count() == 2
            other.range(5).createOrReplaceTempView("mine")
        assert not spark.catalog.tableExists("mine")
    finally:
        assert spark.catalog.dropGlobalTempView("everyone") is True
    assert spark.catalog.dropGlobalTempView("everyone") is False


def test_tables(spark, tmp_path):
    catalog = spark.catalog
    spark.range(3).write.parquet(f"{tmp_path}/p")
    catalog.createTable("t_catalog", path=f"{tmp_path}/p", source="parquet")
    try:
        assert catalog.tableExists("t_catalog") and catalog.tableExists("default.t_catalog")
        found = catalog.getTable("t_catalog")
        assert (found.name, found.catalog, found.namespace, found.tableType, found.isTemporary) == ("t_catalog", "spark_catalog", ["default"], "EXTERNAL", False)
        assert "t_catalog" in [one.name for one in catalog.listTables("default")]
        assert [one.name for one in catalog.listTables(pattern="t_cat*")] == ["t_catalog"]
        assert spark.table("t_catalog").count() == 3
        spark.range(3, 5).write.mode("append").parquet(f"{tmp_path}/p")
        catalog.refreshTable("t_catalog")
        assert spark.table("spark_catalog.default.t_catalog").count() == 5
    finally:
        spark.sql("drop table t_catalog")
    assert (tmp_path / "p").exists()
    assert not catalog.tableExists("t_catalog")
    fails(lambda: catalog.getTable("t_catalog"), AnalysisException, "TABLE_OR_VIEW_NOT_FOUND", "42P01")


def test_functions(spark):
    catalog = spark.catalog
    assert catalog.functionExists("abs") and catalog.functionExists("COUNT") and not catalog.functionExists("nothing")
    assert "upper" in [one.name for one in catalog.listFunctions()]
    assert catalog.getFunction("abs").name == "abs"


@pytest.mark.parametrize("name", ["by_name"])
def test_cached_tables_answer_as_before(spark, name):
    spark.range(3).createOrReplaceTempView(name)
    spark.catalog.cacheTable(name)
    assert spark.table(name).collect() == [Row(id=0), Row(id=1), Row(id=2)]
    spark.catalog.uncacheTable(name)
    spark.catalog.clearCache()
    assert spark.table(name).count() == 3
