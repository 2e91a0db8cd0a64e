"""Evaluates expressions with the reference implementation (PyPI: htcondor), one JSON object a line in and out.

In:  {"expr": TEXT, "my": TEXT or null, "target": TEXT or null}, ads in the new syntax.
Out: {"type": T, "text": V, "unparsed": U}; T is "parse-error" where the expression is not in the language, "failed" where
     the reference gives up without a value.

htcondor2 is imported before classad2: without it 22 functions and the fall-through to the other ad are missing.
"""

import json
import sys

import htcondor2  # noqa: F401  (must come first)
import classad2

TYPES = {bool: "boolean", int: "integer", float: "real", str: "string", list: "list"}


def type_of(value, text):
    if isinstance(value, classad2.Value):
        return "undefined" if value == classad2.Value.Undefined else "error"
    if text.startswith("absTime("):
        return "abstime"
    if text.startswith("relTime("):
        return "reltime"
    if isinstance(value, classad2.ClassAd):
        return "classad"
    return TYPES.get(type(value), type(value).__name__)


def answer(question):
    try:
        expr = classad2.ExprTree(question["expr"])
    except classad2.ClassAdException:
        return {"type": "parse-error", "text": ""}
    my = classad2.ClassAd(question["my"] or "[]")
    target = classad2.ClassAd(question["target"]) if question["target"] else None
    unparsed = repr(expr)
    try:
        text = repr(expr.simplify(my, target))
        return {"type": type_of(expr.eval(my, target), text), "text": text, "unparsed": unparsed}
    except (classad2.ClassAdException, UnicodeDecodeError):
        # It gives up, or cuts a character in two, which Python cannot represent.
        return {"type": "failed", "text": "", "unparsed": unparsed}


def main():
    for line in sys.stdin:
        # Flushed at once: some expressions crash the reference, and the caller must know which.
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
