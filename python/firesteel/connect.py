"""What the stock client's classes lack: RDDs of DataFrames, DataFrames of RDDs, and accumulators."""

import functools


def patch_session(module) -> None:
    """Patches the imported module `pyspark.sql.connect.session`."""
    session = module.SparkSession
    create, stop, end = session.createDataFrame, session.stop, session.__del__

    @functools.wraps(create)
    def create_frame(self, data, schema=None, samplingRatio=None, verifySchema=None, **others):
        if hasattr(data, "mapPartitionsWithIndex"):
            from firesteel.rdd import frames

            return frames.create_frame(self, data, schema, samplingRatio, verifySchema)
        given = {"samplingRatio": samplingRatio, "verifySchema": verifySchema, **others}
        return create(self, data, schema, **{name: value for name, value in given.items() if value is not None})

    @functools.wraps(stop)
    def stop_with_context(self):
        stop(self)
        context = self.__dict__.get("_firesteel_context")
        if context is not None:
            context._stopped()

    def delete(self):
        # The pool of threads that closing ends is shared with later sessions.
        if not self.is_stopped:
            end(self)

    session.__del__ = delete
    session.sparkContext = property(_context)
    session.createDataFrame = create_frame
    session.stop = stop_with_context


def _context(session):
    from firesteel.context import SparkContext

    return _attribute(lambda: SparkContext._of_session(session))


def patch_frame(module) -> None:
    """Patches the imported module `pyspark.sql.connect.dataframe`."""
    frame = module.DataFrame
    frame.rdd = property(_rdd)
    frame.foreach = _foreach
    frame.foreachPartition = _foreach_partition


def _rdd(frame):
    """The rows as an RDD."""
    from firesteel.rdd import frames

    return _attribute(lambda: frames.rows_of(_context(_session(frame)), frame))


def _foreach(self, f):
    """Calls a function for each row."""
    self.rdd.foreach(f)


def _foreach_partition(self, f):
    """Calls a function for each partition."""
    self.rdd.foreachPartition(f)


def _session(frame):
    return frame._session


def _attribute(found):
    """The value of a property. The client would hide an `AttributeError` in it behind one about the property."""
    try:
        return found()
    except AttributeError as failure:
        raise RuntimeError(str(failure)) from failure


def patch_client(module) -> None:
    """Patches the imported module `pyspark.sql.connect.client.core`."""
    client = module.SparkConnectClient
    request, fetch = client._execute_plan_request_with_metadata, client._execute_and_fetch_as_iterator

    @functools.wraps(request)
    def complete_request(self, *args, **kwargs):
        from firesteel import jobs

        made = request(self, *args, **kwargs)
        jobs.complete(self, made)
        return made

    @functools.wraps(fetch)
    def fetch_with_accumulators(self, *args, **kwargs):
        from firesteel import accumulators

        return accumulators.added(fetch(self, *args, **kwargs))

    client._execute_plan_request_with_metadata = complete_request
    client._execute_and_fetch_as_iterator = fetch_with_accumulators
