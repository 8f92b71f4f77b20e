"""Contacts in Spark: a local session, or the Spark Connect server that `SENDBLUE_TEST_SPARK` names (`local` starts one)."""

import os
import sys
import warnings

REMOTE = "SENDBLUE_TEST_SPARK"


def local_spark():
    """A Spark of one core, with a time zone that isn't UTC."""
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else its workers run the first python3 of the path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyspark.sql import SparkSession

        remote = os.environ.get(REMOTE)
        started = SparkSession.builder.remote(remote) if remote else SparkSession.builder.master("local[1]")
        if not remote:  # a JVM of some minutes: what the second compiler would save, it does not
            started = started.config(
                "spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
            )
        session = (
            started.config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.session.timeZone", "Pacific/Honolulu")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .getOrCreate()
        )
        if not remote:
            session.sparkContext.setLogLevel("ERROR")
        return session


def spark_frame(session, frame, path):
    """A Spark frame with the rows of a Polars frame, by a file at `path` where Spark takes no Arrow."""
    if int(session.version.split(".")[0]) >= 4 and frame.height:
        return session.createDataFrame(frame.to_arrow())
    frame.write_parquet(path)  # Spark 3.5, and Spark Connect without rows
    return session.read.parquet(str(path))
