"""Mutants: small mistakes in a module's text, like a person's mistakes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.Mod: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """``text`` is the whole module with the mistake in it; ``was`` and ``now`` are the changed piece of code."""

    file: str
    line: int
    was: str
    now: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.was}  ->  {self.now}"


def mutants(file: str, source: str) -> Iterator[Mutant]:
    """Every mutant of ``source``, in the order of its lines. Annotations, docstrings and logged words are left alone."""
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    raw = source.encode()
    for node in _nodes(tree):
        for replacement in _mistakes(node):
            begin = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            was, now = raw[begin:end].decode(), ast.unparse(replacement)
            if isinstance(node, ast.expr):
                now = f"({now})"
            text = (raw[:begin] + now.encode() + raw[end:]).decode()
            try:
                compile(text, file, "exec")
            except SyntaxError:
                continue
            short_was, short_now = (" ".join(piece.split())[:100] for piece in (was, now))
            if short_was != short_now.strip("()"):
                yield Mutant(file, node.lineno, short_was, short_now, text)


def _nodes(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """The nodes that may change: code in functions and values of constants, but no types, names of tests or words for people."""
    children: list[ast.AST]
    if isinstance(node, ast.AnnAssign):
        children = [node.value] if node.value is not None else []
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        children = [*node.body]
    elif isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr) or _is_a_figure(node) or _is_strict(node):
        children = []
    else:
        children = [*ast.iter_child_nodes(node)]
    for child in children:
        if isinstance(child, ast.expr | ast.stmt):
            yield child
        yield from _nodes(child)


def _mistakes(node: ast.expr | ast.stmt) -> Iterator[ast.AST]:  # noqa: C901, PLR0912  # a table of cases
    match node:
        case ast.Compare(ops=[operation], comparators=[_]) if type(operation) in _COMPARED:
            yield ast.Compare(node.left, [_COMPARED[type(operation)]()], node.comparators)
        case ast.BinOp() if type(node.op) in _COMPUTED and not _is_text(node):
            yield ast.BinOp(node.left, _COMPUTED[type(node.op)](), node.right)
        case ast.BoolOp(values=[first, *others]):
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield ast.BoolOp(other, node.values)
            yield first
            if len(others) == 1:
                yield others[0]
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return  # read by type checkers only
        case ast.If():
            for constant in (True, False):
                yield ast.If(ast.Constant(constant), node.body, node.orelse)
        case ast.Call(func=ast.Name(id="min" | "max" | "any" | "all" as name)):
            other_name = {"min": "max", "max": "min", "any": "all", "all": "any"}[name]
            yield ast.Call(ast.Name(other_name), node.args, node.keywords)
        case ast.Call(keywords=[*kept, ast.keyword(arg=str()) as last]) if not _is_strict(last):
            yield ast.Call(node.func, node.args, kept)
        case ast.Expr(value=ast.Call() | ast.YieldFrom()) if not _is_log(node.value):
            yield ast.Pass()
        case ast.AugAssign(op=ast.Add()):
            yield ast.AugAssign(node.target, ast.Sub(), node.value)
        case ast.Assign(targets=[ast.Attribute()]) if not isinstance(node.value, ast.Constant):
            yield ast.Assign(node.targets, ast.Constant(None), lineno=node.lineno)
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case _:
            return


def _is_a_figure(node: ast.AST) -> bool:
    """Whether the constant is a quantity, such as a time to wait: a small change is no mistake."""
    if (
        not isinstance(node, ast.Assign)
        or not isinstance(node.targets[0], ast.Name)
        or not node.targets[0].id.isupper()
    ):
        return False
    return all(
        isinstance(part, ast.Constant | ast.BinOp | ast.operator | ast.UnaryOp | ast.unaryop)
        for part in ast.walk(node.value)
    )


def _is_strict(node: ast.AST) -> bool:
    """Whether it is ``strict=`` of a zip: with equal lengths it makes no difference."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _is_log(call: ast.expr) -> bool:
    return isinstance(call, ast.Call) and ast.unparse(call.func).startswith(("_log.", "warnings."))
