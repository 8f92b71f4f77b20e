"""The edits that mutation testing makes: each one operator, constant, condition or call of a module."""

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
NAMED = {"max": "min", "min": "max", "any": "all", "all": "any"}
TELLS = {"log", "bar", "warnings"}
"""What only tells: calls of its methods stay as they are."""
NOT_RUN = {"annotation", "returns", "decorator_list"}


class Edit(NamedTuple):
    """One edit of a module.

    Attributes:
        line: the number of its line.
        nth: its place among the module's edits.
        change: what becomes of what.
        text: the line, stripped.
        function: the outermost function in whose body it is, such as `Pull.check`; empty outside of any.
    """

    line: int
    nth: int
    change: str
    text: str
    function: str


def edits(source: str) -> list[Edit]:
    """Return every edit of a module, in order."""
    lines = source.splitlines()
    return [
        Edit(line, nth, change, lines[line - 1].strip(), function)
        for nth, (line, change, function, _) in enumerate(_edits_in(ast.parse(source), "", is_inside=False))
    ]


def edited(source: str, edit: Edit) -> ast.Module:
    """Return a module with one edit made."""
    tree = ast.parse(source)
    *_, make = list(_edits_in(tree, "", is_inside=False))[edit.nth]
    make()
    return ast.fix_missing_locations(tree)


def _edits_in(
    parent: ast.AST, within: str, *, is_inside: bool
) -> Iterator[tuple[int, str, str, Callable[[], None]]]:
    """Yield line, change, function and how to make it, of all edits within a node."""
    if not is_inside and isinstance(parent, ast.ClassDef | ast.FunctionDef):
        within = f"{within}.{parent.name}".lstrip(".")
    for name, value in ast.iter_fields(parent):
        if name in NOT_RUN:
            continue
        inside = is_inside or (isinstance(parent, ast.FunctionDef) and name == "body")
        for place, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _only_tells(child) or _only_types(child):
                continue
            if _only_asserts(child, parent):
                continue
            for change, new in _others_than(child):
                make = _putting(ast.copy_location(new, child), parent, name, place)
                yield child.lineno, change, within if inside else "", make
            yield from _edits_in(child, within, is_inside=inside)


def _putting(new: ast.AST, parent: ast.AST, name: str, place: int) -> Callable[[], None]:
    def put() -> None:
        value = getattr(parent, name)
        if isinstance(value, list):
            value[place] = new
        else:
            setattr(parent, name, new)

    return put


def _only_tells(node: ast.AST) -> bool:
    """Whether a node is a text made for a person, or the call that shows one: no figure hangs on it."""
    called = node.func if isinstance(node, ast.Call) else None
    owner = called.value if isinstance(called, ast.Attribute) else None
    return isinstance(node, ast.JoinedStr) or (isinstance(owner, ast.Name) and owner.id in TELLS)


def _only_types(node: ast.AST) -> bool:
    """Whether a type checker alone reads a node: a signature among several, or imports that nobody runs."""
    if isinstance(node, ast.FunctionDef):
        return any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _only_asserts(node: ast.AST, call: ast.AST) -> bool:
    """Whether a node is `zip`'s `strict`, which says what the lengths are anyway."""
    return (
        isinstance(node, ast.keyword)
        and node.arg == "strict"
        and isinstance(call, ast.Call)
        and ast.unparse(call.func) == "zip"
    )


def _others_than(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield what may stand for a node, and how the change is called."""
    match node:
        case ast.Compare(left=left, ops=[first, *more], comparators=others) if type(first) in COMPARED:
            new = COMPARED[type(first)]
            yield f"{_name(first)} to {new.__name__}", ast.Compare(left, [new(), *more], others)
        case ast.BoolOp(op=operator, values=values):
            other = ast.And() if isinstance(operator, ast.Or) else ast.Or()
            yield f"{_name(operator)} to {_name(other)}", ast.BoolOp(other, values)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in COUNTED:
            number = COUNTED[type(operator)]
            yield f"{_name(operator)} to {number.__name__}", ast.BinOp(left, number(), right)
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            yield "not dropped", operand
        case ast.Constant(value=bool() as flag):
            yield f"{flag} to {not flag}", ast.Constant(not flag)
        case ast.Constant(value=(int() | float()) as known):
            yield f"{known} to {known + 1}", ast.Constant(known + 1)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=named) if name in NAMED:
            yield f"{name} to {NAMED[name]}", ast.Call(ast.Name(NAMED[name], ast.Load()), arguments, named)
        case ast.Expr(value=ast.Call() as call) if not _only_tells(call):
            yield "dropped", ast.Pass()
        case ast.AugAssign():
            yield "dropped", ast.Pass()
        case ast.If(test=(ast.Name() | ast.Call() | ast.Attribute()) as test, body=body, orelse=orelse):
            yield "condition turned", ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test=(ast.Name() | ast.Call() | ast.Attribute()) as test, body=body, orelse=orelse):
            yield "condition turned", ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)


def _name(operator: ast.AST) -> str:
    return type(operator).__name__
