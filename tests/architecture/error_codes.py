"""Which error codes the source can say: read from its syntax trees.

A *speaker* is a class or function with a parameter `code`: an exception that carries one, a value
with fields `code` and `detail`, or a helper that passes its own parameter on to a speaker. The
codes are the constant strings that anybody gives to a speaker.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Speaker:
    """Something callable that takes a code, and at which position."""

    name: str
    position: int


def codes_in(trees: dict[str, ast.Module]) -> dict[str, str]:
    """Every code in the source, with one place that says it."""
    speakers = _speakers(trees)
    found: dict[str, str] = {}
    for path, tree in trees.items():
        for call, argument in _code_arguments(tree, speakers):
            for text in _constants(argument):
                found[text] = f"{path}:{call.lineno}"
        for text in _literal_codes(tree):
            found.setdefault(text, path)
    return found


def _speakers(trees: dict[str, ast.Module]) -> dict[str, Speaker]:
    speakers = {
        speaker.name: speaker
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and (speaker := _class_speaker(node))
    }
    while True:
        more = {
            speaker.name: speaker
            for tree in trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and (speaker := _helper(node, speakers))
        }
        if more.keys() <= speakers.keys():
            return speakers
        speakers = more | speakers


def _class_speaker(node: ast.ClassDef) -> Speaker | None:
    """An exception whose __init__ takes a code, or a dataclass with `code` and `detail`."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            names = [argument.arg for argument in item.args.args][1:]
            return Speaker(node.name, names.index("code")) if "code" in names else None
    fields = [
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]
    is_failure = {"code", "detail"} <= set(fields)
    return Speaker(node.name, fields.index("code")) if is_failure else None


def _helper(node: ast.FunctionDef, speakers: dict[str, Speaker]) -> Speaker | None:
    """A function that hands a parameter of its own to a speaker as the code."""
    names = [argument.arg for argument in node.args.args]
    for _, argument in _code_arguments(node, speakers):
        if isinstance(argument, ast.Name) and argument.id in names:
            position = names.index(argument.id) - (names[0] in {"self", "cls"})
            return Speaker(node.name, position)
    return None


def _code_arguments(
    tree: ast.AST, speakers: dict[str, Speaker]
) -> Iterator[tuple[ast.Call, ast.expr]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        speaker = speakers.get(_called_name(node))
        if speaker is None:
            continue
        if len(node.args) > speaker.position:
            yield node, node.args[speaker.position]
        yield from ((node, word.value) for word in node.keywords if word.arg == "code")


def _called_name(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _constants(node: ast.expr) -> Iterator[str]:
    """The strings of an expression that chooses among constants."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)


def _literal_codes(tree: ast.Module) -> Iterator[str]:
    """Values of `{"code": "…"}`, and of tables named `_CODES`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    yield from _constants(value)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            if "_CODES" in names:
                for value in node.value.values:
                    yield from _constants(value)
