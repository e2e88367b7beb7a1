"""SQL text, as far as a prompt has to understand it: where statements end."""


def split(text: str):
    """The complete statements of a text, each ended by `;`, and the rest after the last of them."""
    statements, start, at = [], 0, 0
    while at < len(text):
        end = _skip(text, at)
        if end > at:
            at = end
        elif text[at] == ";":
            statements.append(text[start:at].strip())
            at += 1
            start = at
        else:
            at += 1
    return [statement for statement in statements if not is_blank(statement)], text[start:]


def is_blank(text: str) -> bool:
    """Whether a text has only blanks and comments."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        end = _skip(text, at)
        if end == at or text[at] in "'\"`":
            return False
        at = end
    return True


def _skip(text: str, at: int) -> int:
    """The end of the comment or the quoted text that begins here; the same place if none does."""
    if text.startswith("--", at):
        end = text.find("\n", at)
        return len(text) if end < 0 else end + 1
    if text.startswith("/*", at):
        return _comment(text, at)
    quote = text[at]
    if quote not in "'\"`":
        return at
    at += 1
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" and quote != "`" else 1
    return at + 1


def _comment(text: str, at: int) -> int:
    """The end of a bracketed comment, which may have others inside."""
    depth = 0
    while at < len(text):
        if text.startswith("/*", at):
            depth, at = depth + 1, at + 2
        elif text.startswith("*/", at):
            depth, at = depth - 1, at + 2
            if depth == 0:
                return at
        else:
            at += 1
    return at + 1
