"""`firesteel shell`: Python with a session and a context."""

import sys

BANNER = """Firesteel, PySpark {pyspark}, Python {python}
`spark` is a session{context}, on {master}."""


def main() -> None:
    try:
        import pyspark
        from pyspark.sql import SparkSession
    except ImportError as problem:
        sys.exit(f"firesteel: {sys.executable} cannot import PySpark ({problem}); `pip install firesteel` installs it")
    from pyspark.errors import PySparkException

    try:
        spark = SparkSession.builder.getOrCreate()
    except PySparkException as problem:
        sys.exit(f"firesteel: {problem}")
    names = {"spark": spark, "sc": context(spark)}
    banner = BANNER.format(
        pyspark=pyspark.__version__,
        python=sys.version.split()[0],
        context="" if names["sc"] is None else " and `sc` its context",
        master=spark.conf.get("spark.master", "local[*]"),
    )
    interact(banner, names)


def context(spark):
    """The context of a session, if this version of the client has one."""
    try:
        return spark.sparkContext
    except Exception:
        return None


def interact(banner: str, names: dict) -> None:
    """IPython if it is installed, or else Python's own prompt."""
    if sys.stdin.isatty():
        try:
            import IPython
            from traitlets.config import Config
        except ImportError:
            # History and completion.
            getattr(sys, "__interactivehook__", lambda: None)()
        else:
            config = Config()
            config.TerminalInteractiveShell.banner1 = banner + "\n"
            IPython.start_ipython(argv=[], user_ns=names, config=config)
            return
    import code

    code.interact(banner=banner, local={"__name__": "__main__", **names}, exitmsg="")


if __name__ == "__main__":
    main()
