"""Files and functions stay short enough to be read in one go."""

import ast

from source_scan import Source, all_sources, script_sources

MOST_FILE_LINES = 300
MOST_FUNCTION_LINES = 60


def long_files(sources):
    counts = [(source.path, len(source.text.splitlines())) for source in sources]
    return [f"{path}: {count} lines" for path, count in counts if count > MOST_FILE_LINES]


def function_lines(node):
    """Lines of a function, its docstring left out."""
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        lines -= node.body[0].end_lineno - node.body[0].lineno + 1
    return lines


def long_functions(sources):
    return [
        f"{source.path}:{node.lineno} {node.name}: {function_lines(node)} lines"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and function_lines(node) > MOST_FUNCTION_LINES
    ]


def test_files_are_short():
    assert long_files(all_sources() + script_sources()) == []


def test_functions_are_short():
    assert long_functions(all_sources() + script_sources()) == []


def test_the_file_check_can_fail():
    sources = [Source("a.py", "a", "x = 1\n" * 301), Source("b.py", "b", "x = 1\n" * 300)]
    assert long_files(sources) == ["a.py: 301 lines"]


def test_the_function_check_can_fail():
    body = "    x = 1\n" * 60
    text = f'\ndef f():\n{body}\ndef g():\n    """Words.\n    """\n{body[10:]}'
    assert long_functions([Source("a.py", "a", text)]) == ["a.py:2 f: 61 lines"]
