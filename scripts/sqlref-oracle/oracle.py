#!/usr/bin/env python3
"""Asks sqlglot for the tables of many statements and stores what it says.

    python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install sqlglot==30.30.0
    ATHENATRAIL_CORPUS=... /tmp/oracle/bin/python scripts/sqlref-oracle/oracle.py

It writes internal/sqlref/testdata/oracle.jsonl, which the tests of
internal/sqlref compare with. Statements come from statements.sql and
generated.sql beside it (generate.py makes the second) and, if
ATHENATRAIL_CORPUS is set, from the folder sql below it. Of the latter only
path, number and hash are stored, with the tables, and without the variable
the lines stored before are kept.

sqlglot tells which names stand for tables; which of these are names of WITH
is decided here, by the rule of Trino: an unqualified name is a query's of the
innermost WITH around it that defines the name before, RECURSIVE including
itself.
"""

import hashlib
import json
import logging
import os
import pathlib
import re
import sys

import sqlglot
from sqlglot import exp

TESTDATA = pathlib.Path(__file__).resolve().parents[2] / "internal/sqlref/testdata"

# What is skipped when looking for the semicolons between statements, as the
# lexer of internal/sqllex cuts it.
PIECES = re.compile(r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*(?:'|\Z)|"(?:[^"]|"")*(?:"|\Z)|`(?:[^`]|``)*(?:`|\Z)|;""", re.S)
COMMENT = re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)", re.S)

METADATA = {
    "partitions", "files", "manifests", "history", "snapshots", "refs",
    "properties", "entries", "all_entries", "metadata_log_entries",
}


def split(sql):
    """Yields the statements of a text, without white space around them."""
    start = 0
    for m in PIECES.finditer(sql):
        if m.group() == ";":
            yield sql[start:m.start()]
            start = m.end()
    yield sql[start:]


def statements(sql):
    for s in split(sql):
        s = s.strip(" \t\r\n\f\v")
        if COMMENT.sub("", s).strip():
            yield s


def join(parts):
    return ".".join(
        '"' + p.replace('"', '""') + '"' if re.search(r'[". \t\r\n*]', p) else p for p in parts if p
    )


def name(table):
    this = table.name.lower()
    base, dollar, suffix = this.rpartition("$")
    if dollar and base and suffix in METADATA:
        this = base
    return [table.catalog.lower(), table.db.lower(), this]


def is_cte(table):
    """Whether an unqualified name is one of WITH at its place."""
    if table.db or table.catalog:
        return False
    wanted = table.name.lower()
    inside = None  # the CTE that we come from, if any
    node = table
    while node is not None:
        if isinstance(node, exp.CTE):
            inside = node
        with_ = node.args.get("with_") or node.args.get("with")
        if isinstance(with_, exp.With):
            for cte in with_.expressions:
                if cte is inside:
                    if with_.args.get("recursive") and cte.alias.lower() == wanted:
                        return True
                    break
                if cte.alias.lower() == wanted:
                    return True
            inside = None
        node = node.parent
    return False


def targets(tree):
    """The tables that the statement writes, as nodes."""
    found = []

    def add(node):
        if isinstance(node, exp.Schema):
            node = node.this
        if isinstance(node, exp.Table):
            found.append(node)

    for node in tree.find_all(exp.Create, exp.Insert, exp.Merge, exp.Update, exp.Delete, exp.Drop, exp.Alter, exp.TruncateTable):
        if isinstance(node, (exp.Create, exp.Drop, exp.Alter)) and (node.args.get("kind") or "").upper() not in ("TABLE", "VIEW"):
            continue
        if isinstance(node, (exp.Drop, exp.TruncateTable)):
            for e in node.args.get("tables") or node.expressions:
                add(e)
        elif node is tree or isinstance(node, exp.Merge):
            add(node.this)
        for action in node.args.get("actions") or [] if isinstance(node, exp.Alter) else []:
            if isinstance(action, exp.AlterRename):
                add(action.this)
    return found


EXPLAIN = re.compile(r"(?is)^EXPLAIN\s+(ANALYZE\s+)?(?:VERBOSE\s+)?(?:\(\s*(?:FORMAT|TYPE)\b[^()]*\)\s*)?(?=\w|\()")
PREPARE = re.compile(r"(?is)^PREPARE\s+\w+\s+FROM\s+(?=\w|\()")
UNLOAD = re.compile(r"(?is)^UNLOAD\s*\((.*)\)\s*TO\s+'[^']*'\s*(?:WITH\s*\((?:[^()]|\([^()]*\)|'[^']*')*\))?\s*$")


def ask(sql):
    """What sqlglot says of a statement, without what EXPLAIN, PREPARE and
    UNLOAD put around it, which it does not know."""
    if m := UNLOAD.match(sql):
        return ask_inner(m.group(1))
    if m := EXPLAIN.match(sql) or PREPARE.match(sql):
        answer = ask_inner(sql[m.end():])
        if "writes" in answer and not (m.re is EXPLAIN and m.group(1)):
            answer["writes"] = []
        return answer
    return ask_inner(sql)


def ask_inner(sql):
    """Returns what sqlglot says of one statement, or why it says nothing."""
    try:
        trees = [t for t in sqlglot.parse(sql, read="athena") if t is not None]
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError) as err:
        return {"unparsed": type(err).__name__}
    if len(trees) != 1:
        return {"unparsed": f"{len(trees)} statements"}
    tree = trees[0]
    if tree.find(exp.Command):
        return {"unparsed": "Command"}
    if isinstance(tree, (exp.Alias, exp.Column, exp.Literal, exp.Identifier)) or not isinstance(
        tree, (exp.Query, exp.DDL, exp.DML, exp.Alter, exp.Drop, exp.Describe, exp.TruncateTable, exp.Merge, exp.Create, exp.Analyze, exp.Show)
    ):
        return {"unparsed": type(tree).__name__}
    if isinstance(tree, (exp.Create, exp.Drop, exp.Alter)) and (tree.args.get("kind") or "").upper() not in ("TABLE", "VIEW"):
        return {"tables": [], "writes": []}
    tables = set()
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or not table.name or is_cte(table):
            continue
        tables.add(join(name(table)))
    writes = {join(name(t)) for t in targets(tree)}
    return {"tables": sorted(tables), "writes": sorted(writes)}


def main():
    logging.disable(logging.CRITICAL)
    sys.setrecursionlimit(20000)
    out = TESTDATA / "oracle.jsonl"
    sources = [(p.name, p.read_text()) for p in (TESTDATA / "statements.sql", TESTDATA / "generated.sql")]
    kept = []
    corpus = os.environ.get("ATHENATRAIL_CORPUS")
    if corpus:
        root = pathlib.Path(corpus) / "sql"
        for p in sorted(root.rglob("*.sql")):
            sources.append(("corpus/" + p.relative_to(root).as_posix(), p.read_bytes().decode("utf-8", "replace")))
    elif out.exists():
        kept = [line for line in out.read_text().splitlines() if '"corpus/' in line]
    lines = []
    for source, sql in sources:
        for n, statement in enumerate(statements(sql)):
            answer = {"source": source, "n": n, "sha256": hashlib.sha256(statement.encode()).hexdigest()[:16]}
            answer.update(ask(statement))
            lines.append(json.dumps(answer, ensure_ascii=False))
    lines += kept
    head = json.dumps({"oracle": "sqlglot", "version": sqlglot.__version__, "read": "athena"})
    out.write_text("\n".join([head] + lines) + "\n")
    unparsed = sum('"unparsed"' in line for line in lines)
    print(f"{len(lines)} statements, {unparsed} of which sqlglot does not parse", file=sys.stderr)


if __name__ == "__main__":
    main()
