package report

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// safeFunctions are the table functions that a user's SELECT may call. DuckDB
// has others that open files, write logs, run text as SQL or read memory by
// address. Those that matter are shut off by the settings too; this list holds
// whatever a later DuckDB adds.
var safeFunctions = []string{
	"duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_tables", "duckdb_types", "duckdb_views",
	"generate_series", "json_each", "json_tree", "pragma_table_info", "pragma_version", "range", "repeat", "summary", "unnest",
}

// guard refuses what is not one SELECT over the lake's views. DuckDB's own
// parser reads the statement, so a comment or a quote hides nothing.
func (d *DB) guard(ctx context.Context, query string) error {
	var tree string
	err := d.db.QueryRowContext(ctx, "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", query).Scan(&tree)
	if err != nil {
		return oneLine(err)
	}
	var parsed struct {
		Error        bool   `json:"error"`
		ErrorType    string `json:"error_type"`
		ErrorMessage string `json:"error_message"`
		Statements   []any  `json:"statements"`
	}
	if err := json.Unmarshal([]byte(tree), &parsed); err != nil {
		return fmt.Errorf("read the parsed statement: %w", err)
	}
	switch {
	case parsed.Error && parsed.ErrorType == "parser":
		return usageError(strings.TrimRight(parsed.ErrorMessage, "!."))
	case parsed.Error:
		return usageError("only a SELECT can be run: the lake is read, not changed")
	case len(parsed.Statements) == 0:
		return usageError("there is no statement")
	case len(parsed.Statements) > 1:
		return usageError("one SELECT at a time")
	}
	return checkFunctions(parsed.Statements)
}

// checkFunctions walks a parsed statement for the table functions it calls.
func checkFunctions(node any) error {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			if err := checkFunctions(child); err != nil {
				return err
			}
		}
	case map[string]any:
		if node["type"] == "TABLE_FUNCTION" {
			f, _ := node["function"].(map[string]any)
			name, _ := f["function_name"].(string)
			if !slices.Contains(safeFunctions, strings.ToLower(name)) {
				return usageError(fmt.Sprintf("the function %s is not allowed: a query reads the lake's views, %s", name, strings.Join(sqlViews(), ", ")))
			}
		}
		for _, child := range node {
			if err := checkFunctions(child); err != nil {
				return err
			}
		}
	}
	return nil
}

// sqlViews returns the names that a user's SELECT can read.
func sqlViews() []string {
	var names []string
	for _, v := range joinedViews {
		names = append(names, v.name)
	}
	for _, t := range tables {
		names = append(names, t.name)
	}
	return names
}
