"""The plan of an RDD: nodes that become relations of Spark Connect.

A node knows its number of partitions, what Spark would call it, and whether it is stored. Pickled functions are made when a node is, so a
node's relation is the same every time, and a stage of it that was computed is not computed again.
"""

from pyspark.sql.connect import proto
from pyspark.sql.connect.plan import LogicalPlan
from pyspark.sql.connect.types import pyspark_types_to_proto_types
from pyspark.sql.types import BinaryType, IntegerType, StructField, StructType

from firesteel.rdd import messages

BATCH = "batch"
PARTITION = "partition"
ELEMENTS = StructType([StructField(BATCH, BinaryType(), False)])
KEYED = StructType([StructField(PARTITION, IntegerType(), False), StructField(BATCH, BinaryType(), False)])
#: Protobuf refuses messages that are nested much deeper; an input in an extension is nested as bytes and starts again.
DEEPEST = 12


def fresh_plan_id():
    """The id of a new relation."""
    return LogicalPlan(None)._plan_id


class Node:
    """A relation of an RDD's plan."""

    #: Whether it is read from what all tasks before it have written.
    is_shuffle = False
    #: How many messages are nested in each other in the relation.
    depth = 0

    def __init__(self, children, partitions=None):
        self.children = tuple(children)
        self.plan_id = fresh_plan_id()
        self._partitions = partitions
        #: The lines about this node in `toDebugString`, which `lineage` makes.
        self.names = []
        self.id = None
        self.name = None
        self.storage = None
        #: Numbers of the resource profiles of what is computed in the same tasks, this and what is below it.
        self.profiles = frozenset() if self.is_shuffle else frozenset().union(*(child.profiles for child in self.children))

    def partitions(self, client):
        """The number of partitions."""
        if self._partitions is None:
            self._partitions = self.count_partitions(client)
        return self._partitions

    def count_partitions(self, client):
        return self.children[0].partitions(client)

    def relation(self, client):
        """The relation; children before parents, without recursion, because an RDD of many steps is deep."""
        done = {}
        waiting = [self]
        while waiting:
            node = waiting[-1]
            missing = [child for child in node.inputs() if child not in done]
            if node in done or not missing:
                waiting.pop()
                if node not in done:
                    done[node] = node.built(client, [done[child] for child in node.inputs()])
            else:
                waiting.extend(missing)
        return done[self]

    def inputs(self):
        """The children that are still needed for the relation; none once the node was written elsewhere, or is stored."""
        storage = self.storage
        return () if storage is not None and (storage.replacement or storage.relation) is not None else self.children

    def built(self, client, inputs):
        storage = self.storage
        if storage is not None and storage.replacement is not None:
            return storage.replacement.relation(client)
        if storage is not None and storage.relation is not None:
            return storage.relation
        relation = self.build(client, inputs)
        if storage is not None and storage.kept is not None:
            storage.relation = extension(
                messages.KeepPartitions(input=relation.SerializeToString(), level=storage.kept), storage.plan_id
            )
            return storage.relation
        return relation

    def build(self, client, inputs):
        """The relation of this node over those of its inputs."""
        raise NotImplementedError

    def is_stored(self):
        return self.storage is not None and (self.storage.kept is not None or self.storage.replacement is not None)


class Local(Node):
    """Elements that the program has: by partition a list of pieces of the stream."""

    def __init__(self, pieces):
        super().__init__((), len(pieces))
        self._message = messages.LocalPartitions()
        for batches in pieces:
            self._message.partitions.add().batches.extend(batches)

    def build(self, client, inputs):
        return extension(self._message, self.plan_id)


class Frame(Node):
    """The rows of a DataFrame."""

    def __init__(self, frame):
        super().__init__(())
        self._plan = frame._plan

    def count_partitions(self, client):
        return counted(client, self.relation(client))

    def build(self, client, inputs):
        return self._plan.plan(client)


class Mapped(Node):
    """A function over the batches of each partition."""

    def __init__(self, child, function, partitions=None, barrier=False):
        super().__init__((child,), partitions if partitions is not None else child._partitions)
        self._function = function
        self.is_barrier = barrier
        self.depth = 0 if child.is_stored() or child.depth >= DEEPEST else child.depth + 1

    def build(self, client, inputs):
        if self.depth == 0 or self.profiles:
            message = messages.ZipPartitions(
                inputs=[inputs[0].SerializeToString()],
                function=self._function.SerializeToString(),
                barrier=self.is_barrier,
                profile_ids=sorted(self.profiles),
            )
            return extension(message, self.plan_id)
        relation = started(self.plan_id)
        relation.map_partitions.input.CopyFrom(inputs[0])
        relation.map_partitions.func.CopyFrom(self._function)
        if self.is_barrier:
            relation.map_partitions.is_barrier = True
        return relation


class Zipped(Node):
    """A function over the partitions of several inputs with the same number."""

    def __init__(self, children, function):
        super().__init__(children, next((c._partitions for c in children if c._partitions is not None), None))
        self._function = function

    def build(self, client, inputs):
        serialized = [relation.SerializeToString() for relation in inputs]
        message = messages.ZipPartitions(
            inputs=serialized, function=self._function.SerializeToString(), profile_ids=sorted(self.profiles)
        )
        return extension(message, self.plan_id)


class Selected(Node):
    """Groups of the child's partitions."""

    def __init__(self, child, groups):
        super().__init__((child,), len(groups))
        self._groups = [list(group) for group in groups]

    def build(self, client, inputs):
        message = messages.SelectPartitions(input=inputs[0].SerializeToString())
        for group in self._groups:
            message.groups.add().partitions.extend(group)
        return extension(message, self.plan_id)


class Shuffled(Node):
    """Rows of the child in the partition that they name."""

    is_shuffle = True

    def __init__(self, child, partitions):
        super().__init__((child,), partitions)
        self._shuffle_id = fresh_plan_id()

    def build(self, client, inputs):
        if self.children[0]._partitions == 0:
            return extension(messages.LocalPartitions(partitions=[{} for _ in range(self._partitions)]), self.plan_id)
        message = messages.ShufflePartitions(
            input=inputs[0].SerializeToString(), column=PARTITION, partitions=self._partitions
        )
        # A union needs inputs with the same columns.
        relation = started(self.plan_id)
        relation.project.input.CopyFrom(extension(message, self._shuffle_id))
        relation.project.expressions.add().unresolved_attribute.unparsed_identifier = BATCH
        return relation


class United(Node):
    """The partitions of all children, one child after the other."""

    def __init__(self, children):
        counts = [child._partitions for child in children]
        super().__init__(children, None if None in counts else sum(counts))
        self.depth = max(child.depth for child in children) + len(children).bit_length()

    def count_partitions(self, client):
        return sum(child.partitions(client) for child in self.children)

    def build(self, client, inputs):
        # Relations without partitions are not always understood, and add nothing.
        inputs = [relation for child, relation in zip(self.children, inputs) if child._partitions != 0] or inputs[:1]
        # Pairs of pairs: as a chain they would be nested too deep.
        while len(inputs) > 1:
            pairs = [inputs[i : i + 2] for i in range(0, len(inputs), 2)]
            inputs = [pair[0] if len(pair) == 1 else self._pair(*pair) for pair in pairs]
        return inputs[0]

    @staticmethod
    def _pair(left, right):
        relation = started(fresh_plan_id())
        operation = relation.set_op
        operation.left_input.CopyFrom(left)
        operation.right_input.CopyFrom(right)
        operation.set_op_type = proto.SetOperation.SET_OP_TYPE_UNION
        operation.is_all = True
        return relation


class RddPlan(LogicalPlan):
    """A node as a plan of the stock client."""

    def __init__(self, node):
        super().__init__(None)
        self._node = node

    def plan(self, session):
        relation = self._node.relation(session)
        # The one that the columns of a DataFrame refer to.
        relation.common.plan_id = own_id(self)
        return relation


def own_id(plan):
    """The id of a plan's own relation, which since 4.0 may be below others."""
    return getattr(plan, "_root_plan_id", None) or plan._plan_id


def started(plan_id):
    relation = proto.Relation()
    relation.common.plan_id = plan_id
    return relation


def extension(message, plan_id):
    relation = started(plan_id)
    relation.extension.CopyFrom(messages.packed(message))
    return relation


def function_message(name, command, output, version):
    """A Python function over Arrow batches."""
    message = proto.CommonInlineUserDefinedFunction(function_name=name, deterministic=True)
    udf = message.python_udf
    udf.output_type.CopyFrom(pyspark_types_to_proto_types(output))
    udf.eval_type = 207
    udf.command = command
    udf.python_ver = version
    return message


def as_plan(client, relation):
    """A request's plan with a relation as its root."""
    plan = proto.Plan()
    if hasattr(client, "_set_relation_in_plan"):
        client._set_relation_in_plan(plan, relation)
    else:
        plan.root.CopyFrom(relation)
    return plan


def counted(client, relation):
    """The number of partitions of a relation that only the server knows."""
    message = messages.CountPartitions(input=relation.SerializeToString())
    batches = fetched(client, extension(message, fresh_plan_id()))
    return int(next(batch.column(0)[0].as_py() for batch in batches if batch.num_rows))


def command(message):
    """A message of ours as a command."""
    wrapped = proto.Command()
    wrapped.extension.CopyFrom(messages.packed(message))
    return wrapped

def stored(client, plan_id):
    """How much is stored of the partitions that are kept as the relation with this id: their number, and bytes."""
    relation = extension(messages.StoredPartitions(plan_id=plan_id), fresh_plan_id())
    return next((b.column(0)[0].as_py(), b.column(1)[0].as_py()) for b in fetched(client, relation) if b.num_rows)


def fetched(client, relation):
    """Runs a relation and yields its record batches as they come."""
    request = client._execute_plan_request_with_metadata()
    request.plan.CopyFrom(as_plan(client, relation))
    fetch = client._execute_and_fetch_as_iterator
    if "observations" not in parameters(fetch):
        yield from _batches(fetch(request))
        return
    # The clients since 4.0 also take observations, and tell handlers of the progress.
    from pyspark.sql.connect.shell.progress import Progress

    with Progress(handlers=client._progress_handlers, operation_id=request.operation_id) as progress:
        yield from _batches(fetch(request, {}, progress))


def _batches(responses):
    import pyarrow as pa

    return (response for response in responses if isinstance(response, pa.RecordBatch))


def parameters(function):
    import inspect

    return inspect.signature(function).parameters
