"""What an RDD says about itself: `repr` and `toDebugString`, as Spark prints them."""

import re

from firesteel.rdd.plan import stored


def described(node):
    """One line: the name, the kind, the number, and where the RDD was made."""
    prefix = f"{node.name} " if node.name else ""
    return prefix + node.names[0]


def debug_string(node, client):
    """The RDD and what it depends on; shuffles are indented."""
    level = node.storage.level_description() if node.storage is not None else ""
    count, indent = _indentation(node, client)
    first, *rest = _lines(node, level)
    kept = [f"{indent}  {line}" for line in _stored(node, client)]
    lines = [f"{count} {first}", *kept, *(f"{indent} {line}" for line in rest)]
    lines += _children(node, f"{indent} ", level, client)
    return "\n".join(lines)


def _lines(node, level):
    names = [described(node), *node.names[1:]]
    return [f"{name} [{level}]" for name in names]


def _stored(node, client):
    """The line about what is stored of a persisted RDD; none before anything is. All of it is on disk."""
    if node.storage is None or node.storage.kept is None or node.storage.wanted == "local":
        return []
    count, size = stored(client, node.storage.plan_id)
    return [f"    CachedPartitions: {count}; MemorySize: 0.0 B; DiskSize: {_size(size)}"] if count else []


def _size(size):
    """A number of bytes as Spark prints it."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 2048 or unit == "PiB":
            return f"{size:.1f} {unit}"
        size /= 1024


def _indentation(node, client):
    count = f"({node.partitions(client)})"
    left = (len(count) - 1) // 2
    return count, " " * left + "|" + " " * (len(count) - left - 1)


def _children(node, prefix, level, client):
    if node.storage is not None and node.storage.checkpoint_name is not None:
        return [f"{prefix}{node.storage.checkpoint_name} [{level}]"]
    children = getattr(node, "lineage_children", node.children)
    lines = []
    for place, child in enumerate(children):
        if node.is_shuffle:
            lines += _shuffled(child, prefix, level, client, place == len(children) - 1)
        else:
            first, *rest = _lines(child, level)
            lines += [prefix + line for line in (first, *_stored(child, client), *rest)]
            lines += _children(child, prefix, level, client)
    return lines


def _shuffled(node, prefix, level, client, is_last):
    count, indent = _indentation(node, client)
    before = re.sub(r"\|\s+$", "", prefix)
    after = before + ("  " if is_last else "| ") + indent + " "
    first, *rest = _lines(node, level)
    lines = [f"{before}+-{count} {first}", *(after + line for line in (*_stored(node, client), *rest))]
    return lines + _children(node, after, level, client)
