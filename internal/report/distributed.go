package report

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// Over returns a database whose statements are run by a distributed engine,
// Athena or Trino, over the tables that [DDL] makes there. [DB.Report],
// [DB.Sorted] and [DB.Query] work as over a lake in a folder, and give the same
// rows; close it as one.
func Over(db *sql.DB, zone *time.Location) *DB {
	if zone == nil {
		zone = time.UTC
	}
	return &DB{db: db, in: trino, zone: zone}
}

// query runs a statement with the values of its question marks. Distributed
// engines get them as literals: neither has parameters for statements as large
// as a view's.
func (d *DB) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if d.in == duckDB {
		return d.db.QueryContext(ctx, text, args...)
	}
	text, err := bound(text, args)
	if err != nil {
		return nil, err
	}
	return d.db.QueryContext(ctx, text)
}

// bound puts values in the place of a statement's question marks. It is the
// only place where a value becomes a part of a statement. A question mark
// within a text, a name or a comment is none. Values are texts: columns of
// other types are compared with what is cast from one.
func bound(text string, args []any) (string, error) {
	var b strings.Builder
	rest, used := 0, 0
	for t := range sqllex.Tokens(text) {
		if t.Kind != sqllex.Symbol || t.Text != "?" {
			continue
		}
		if used == len(args) {
			return "", fmt.Errorf("a statement has more question marks than its %d values", len(args))
		}
		value, ok := args[used].(string)
		if !ok {
			return "", fmt.Errorf("value %d of a statement is a %T, and only texts can be put into one", used+1, args[used])
		}
		if strings.ContainsRune(value, 0) {
			return "", usageError("a value with the character NUL cannot be asked for")
		}
		b.WriteString(text[rest:t.Start] + quote(value))
		rest = t.End
		used++
	}
	if used != len(args) {
		return "", fmt.Errorf("a statement has %d question marks for %d values", used, len(args))
	}
	return b.String() + text[rest:], nil
}

// begins are the words that a statement which reads begins with.
var begins = []string{"SELECT", "WITH", "VALUES", "TABLE"}

// guardDistributed refuses what is not one statement that reads. What that may
// read is up to the rights that the engine was opened with.
func guardDistributed(query string) error {
	first, ended := "", false
	for t := range sqllex.Tokens(query) {
		switch {
		case t.Kind == sqllex.Comment:
		case ended:
			return usageError("one SELECT at a time")
		case t.Text == ";":
			ended = true
		case first == "" && t.Text != "(":
			first = t.Text
		}
	}
	switch {
	case first == "":
		return usageError("there is no statement")
	case !slices.Contains(begins, strings.ToUpper(first)):
		return usageError("only a SELECT can be run: the lake is read, not changed")
	}
	return nil
}

// distributedError tells a wrong statement from an engine that failed.
func distributedError(err error) error {
	var said interface{ UserError() bool }
	if errors.As(err, &said) && said.UserError() {
		return usageError(err.Error())
	}
	return err
}

// findings asks for the rules one by one and puts their rows into the view's
// order: a distributed engine plans a statement of all of them for minutes, as it
// writes out every WITH where it is used.
func (d *DB) findings(ctx context.Context, v View, p Params) ([][]any, error) {
	type found struct {
		row    []any
		weight int
	}
	var all []found
	for _, r := range rules {
		p.rule = r.ID
		rows, err := d.answer(ctx, v, p, v.Columns)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		for _, row := range rows {
			all = append(all, found{row, slices.Index(severities, r.Severity)})
		}
	}
	at := map[string]int{}
	for i, c := range v.Columns {
		at[c.Name] = i
	}
	slices.SortStableFunc(all, func(a, b found) int {
		order := cmp.Or(cmp.Compare(a.weight, b.weight), compareCells(a.row[at["seen_at"]], b.row[at["seen_at"]], true))
		for _, name := range []string{"rule", "person", "account_id", "region_name", "what", "evidence"} {
			order = cmp.Or(order, compareCells(a.row[at[name]], b.row[at[name]], false))
		}
		return order
	})
	list := make([][]any, len(all))
	for i, f := range all {
		list[i] = f.row
	}
	return list, nil
}

// withoutEnd returns a statement without the semicolon and comments behind it.
func withoutEnd(query string) string {
	for t := range sqllex.Tokens(query) {
		if t.Text == ";" {
			return query[:t.Start]
		}
	}
	return query
}

// decimalOf writes an engine's decimal without zeros at its end, as
// [decimalText] does.
func decimalOf(text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
