"""What an RDD says about itself: `repr` and `toDebugString`, as Spark prints them."""

import re


def described(node):
    """One line: the name, the kind, the number, and where the RDD was made."""
    prefix = f"{node.name} " if node.name else ""
    return prefix + node.names[0]


def debug_string(node, client):
    """The RDD and what it depends on; shuffles are indented."""
    level = node.storage.level_description() if node.storage is not None else ""
    count, indent = _indentation(node, client)
    first, *rest = _lines(node, level)
    lines = [f"{count} {first}", *(f"{indent} {line}" for line in rest)]
    lines += _children(node, f"{indent} ", level, client)
    return "\n".join(lines)


def _lines(node, level):
    names = [described(node), *node.names[1:]]
    return [f"{name} [{level}]" for name in names]


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
            lines += [prefix + line for line in _lines(child, level)]
            lines += _children(child, prefix, level, client)
    return lines


def _shuffled(node, prefix, level, client, is_last):
    count, indent = _indentation(node, client)
    before = re.sub(r"\|\s+$", "", prefix)
    after = before + ("  " if is_last else "| ") + indent + " "
    first, *rest = _lines(node, level)
    lines = [f"{before}+-{count} {first}", *(after + line for line in rest)]
    return lines + _children(node, after, level, client)
