#!/usr/bin/env python3
"""Tells what sqlglot makes of definitions, for internal/report/ddl_hive_test.go.

Reads a JSON list of [dialect, statement] and writes a JSON list of objects with
kind, name and columns, each a name and its type as Trino spells it; or with
error, for what the parser does not take or takes without understanding it.
"""

import json
import sys

import sqlglot
from sqlglot import exp


def columns(schema):
    return [[c.name, c.args["kind"].sql("trino")] for c in schema.expressions if isinstance(c, exp.ColumnDef)]


def parsed(dialect, statement):
    try:
        trees = sqlglot.parse(statement, read=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError) as err:
        return {"error": str(err)}
    if len(trees) != 1 or trees[0] is None:
        return {"error": "it is not one statement"}
    tree = trees[0]
    if isinstance(tree, exp.Command):
        return {"error": "it is passed over as a command"}
    out = {"kind": type(tree).__name__.upper() + " " + (tree.args.get("kind") or ""), "name": "", "columns": []}
    table = tree.find(exp.Table)
    if table is not None:
        out["name"] = table.name
    schema = tree.this
    if isinstance(schema, exp.Schema):
        out["columns"] = columns(schema)
    partitioned = tree.find(exp.PartitionedByProperty)
    if partitioned is not None and isinstance(partitioned.this, exp.Schema):
        out["partitions"] = columns(partitioned.this)
    return out


json.dump([parsed(d, s) for d, s in json.load(sys.stdin)], sys.stdout)
