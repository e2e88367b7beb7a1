"""The messages of `firesteel/connect/v1/rdd.proto`, built at run time, so that they fit every version of the Protobuf package."""

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "firesteel.connect.v1"
_FIELD = descriptor_pb2.FieldDescriptorProto

# Name of a message: its fields as (name, type, repeated); a type that is a string is a nested message.
_MESSAGES = {
    "LocalPartitions": [("partitions", "Partition", True)],
    "LocalPartitions.Partition": [("batches", _FIELD.TYPE_BYTES, True)],
    "SelectPartitions": [("input", _FIELD.TYPE_BYTES, False), ("groups", "Group", True)],
    "SelectPartitions.Group": [("partitions", _FIELD.TYPE_UINT32, True)],
    "ZipPartitions": [
        ("inputs", _FIELD.TYPE_BYTES, True),
        ("function", _FIELD.TYPE_BYTES, False),
        ("barrier", _FIELD.TYPE_BOOL, False),
        ("profile_ids", _FIELD.TYPE_INT32, True),
    ],
    "ShufflePartitions": [
        ("input", _FIELD.TYPE_BYTES, False),
        ("column", _FIELD.TYPE_STRING, False),
        ("partitions", _FIELD.TYPE_UINT32, False),
    ],
    "KeepPartitions": [("input", _FIELD.TYPE_BYTES, False), ("level", _FIELD.TYPE_STRING, False)],
    "CountPartitions": [("input", _FIELD.TYPE_BYTES, False)],
    "StoredPartitions": [("plan_id", _FIELD.TYPE_INT64, False)],
    "ApplicationStatus": [],
    "DropBlob": [("hash", _FIELD.TYPE_STRING, False), ("forever", _FIELD.TYPE_BOOL, False)],
    "JobProperties": [("properties", "Property", True)],
    "JobProperties.Property": [("key", _FIELD.TYPE_STRING, False), ("value", _FIELD.TYPE_STRING, False)],
}


def _describe(file, name, fields):
    """Adds the description of one message to a file; a name with a dot is nested in the message before it."""
    outer, _, inner = name.rpartition(".")
    owner = next(message for message in file.message_type if message.name == outer) if outer else None
    message = owner.nested_type.add(name=inner) if owner else file.message_type.add(name=name)
    for number, (field, kind, repeated) in enumerate(fields, 1):
        added = message.field.add(name=field, number=number)
        added.label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
        if isinstance(kind, str):
            added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".{PACKAGE}.{name}.{kind}"
        else:
            added.type = kind


def _classes():
    file = descriptor_pb2.FileDescriptorProto(name="firesteel/connect/v1/rdd.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        _describe(file, name, fields)
    pool = descriptor_pool.DescriptorPool()
    # Not `Add`: newer versions only take the serialized form.
    pool.AddSerializedFile(file.SerializeToString())
    if hasattr(message_factory, "GetMessageClass"):
        created = message_factory.GetMessageClass
    else:
        created = message_factory.MessageFactory(pool).GetPrototype
    names = [name for name in _MESSAGES if "." not in name]
    return {name: created(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in names}


_created = _classes()
LocalPartitions = _created["LocalPartitions"]
SelectPartitions = _created["SelectPartitions"]
ZipPartitions = _created["ZipPartitions"]
ShufflePartitions = _created["ShufflePartitions"]
KeepPartitions = _created["KeepPartitions"]
CountPartitions = _created["CountPartitions"]
StoredPartitions = _created["StoredPartitions"]
ApplicationStatus = _created["ApplicationStatus"]
DropBlob = _created["DropBlob"]
JobProperties = _created["JobProperties"]


def packed(message) -> any_pb2.Any:
    """A message as the `Any` of an extension."""
    name = type(message).DESCRIPTOR.full_name
    return any_pb2.Any(type_url=f"type.googleapis.com/{name}", value=message.SerializeToString())


def unpacked(extension):
    """The message in an extension of ours, or None."""
    kind = _created.get(extension.type_url.rpartition("/")[2][len(PACKAGE) + 1 :])
    return kind.FromString(extension.value) if kind is not None else None
