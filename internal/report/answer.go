package report

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

// Report answers the view of that name. What is wrong with the view's name or
// the parameters is an error that is [ErrUsage].
func (d *DB) Report(ctx context.Context, view string, p Params) (*format.Result, error) {
	v, err := Lookup(view)
	if err != nil {
		return nil, err
	}
	if v.resolve != nil && p.Arg != "" {
		if p.Arg, err = v.resolve(ctx, d, p.Arg); err != nil {
			return nil, fmt.Errorf("report %s: %w", view, err)
		}
	}
	shown, err := prepare(v, p) // for the columns of --by
	if err != nil {
		return nil, fmt.Errorf("report %s: %w", view, err)
	}
	r := &format.Result{View: view, From: p.From, To: p.To, TimeZone: d.zone, CompleteTo: p.CompleteTo, Columns: shown.Columns}
	var list [][]any
	if v.Name == "findings" && d.in != duckDB {
		list, err = d.findings(ctx, v, p)
	} else {
		list, err = d.answer(ctx, v, p, shown.Columns)
	}
	if err != nil {
		return nil, fmt.Errorf("report %s: %w", view, err)
	}
	if p.Limit > 0 && len(list) > p.Limit && v.Name != "overview" {
		list, r.More = list[:p.Limit], true
	}
	blankComparisons(r, list, p)
	if list, err = onlyColumns(r, list, p.Columns); err != nil {
		return nil, fmt.Errorf("report %s: %w", view, err)
	}
	r.Rows = format.RowsOf(list)
	return r, nil
}

// answer runs a view's statement.
func (d *DB) answer(ctx context.Context, v View, p Params, columns []format.Column) ([][]any, error) {
	p.billed = d.billed
	s, err := render(v, p, d.zone, d.in, d.held)
	if err != nil {
		return nil, err
	}
	list, err := d.rows(ctx, s, s.columns)
	if len(s.columns) == len(columns) || err != nil {
		return list, err
	}
	for i, row := range list { // a chart's, which lack the columns that nobody asked for
		full := make([]any, len(columns))
		for j, c := range s.columns {
			full[slices.IndexFunc(columns, func(o format.Column) bool { return o.Name == c.Name })] = row[j]
		}
		list[i] = full
	}
	return list, nil
}

// onlyColumns takes the other columns out of a result and its rows.
func onlyColumns(r *format.Result, rows [][]any, names []string) ([][]any, error) {
	if names == nil {
		return rows, nil
	}
	var known []string
	for _, c := range r.Columns {
		known = append(known, c.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, unknown("column", name, known)
		}
	}
	var kept []format.Column
	var at []int
	for i, c := range r.Columns {
		if slices.Contains(names, c.Name) {
			kept, at = append(kept, c), append(at, i)
		}
	}
	r.Columns = kept
	for i, row := range rows {
		cut := make([]any, len(at))
		for j, from := range at {
			cut[j] = row[from]
		}
		rows[i] = cut
	}
	return rows, nil
}

// comparisons are the columns that speak of a time before the window.
var comparisons = []string{"cost_before", "cost_week_before", "cost_change_percent", "cost_difference", "data_scanned_bytes_before", "executions_before", "sessions_before", "status"}

// blankComparisons empties what compares with a time that the lake does not
// hold, or a day that the window cuts with a whole one.
func blankComparisons(r *format.Result, rows [][]any, p Params) {
	day, weekly := r.Index("day"), r.Index("cost_week_before") >= 0
	for _, row := range rows {
		blank := !p.beforeHeld()
		if weekly {
			y, m, d := row[day].(time.Time).Date()
			start := time.Date(y, m, d, 0, 0, 0, 0, r.TimeZone)
			blank = start.AddDate(0, 0, -7).Before(p.CompleteFrom) || start.Before(p.From) || start.AddDate(0, 0, 1).After(p.To)
		}
		if !blank {
			continue
		}
		for _, name := range comparisons {
			if i := r.Index(name); i >= 0 {
				row[i] = nil
			}
		}
	}
}

// rows runs a view's statement and returns the cells of its rows.
func (d *DB) rows(ctx context.Context, s statement, columns []format.Column) ([][]any, error) {
	if s.held {
		var list [][]any
		err := d.reader.with(ctx, s, func(rows *sql.Rows) (err error) {
			list, err = cellsOf(rows, columns)
			return err
		})
		return list, oneLine(err)
	}
	return rowsOf(ctx, d.query, s, columns)
}

func rowsOf(ctx context.Context, run runner, s statement, columns []format.Column) ([][]any, error) {
	rows, err := run(ctx, s.sql, s.args...)
	if err != nil {
		return nil, oneLine(err)
	}
	defer rows.Close()
	return cellsOf(rows, columns)
}

// cellsOf returns the cells of rows by the columns' kinds.
func cellsOf(rows *sql.Rows, columns []format.Column) ([][]any, error) {
	types, err := sqlTypes(rows)
	if err != nil {
		return nil, oneLine(err)
	}
	counts := -1
	var names []string
	for i, t := range types {
		if t.name == latencies {
			counts, names = i, append(names, p50.Name, p95.Name)
			continue
		}
		names = append(names, t.name)
	}
	if len(names) != len(columns) {
		return nil, fmt.Errorf("the view's SQL has %d columns, its description %d", len(names), len(columns))
	}
	for i, name := range names {
		if name != columns[i].Name {
			return nil, fmt.Errorf("the view's SQL has the column %s where its description has %s", name, columns[i].Name)
		}
	}
	var list [][]any
	for rows.Next() {
		row, err := scanRow(rows, types)
		if err != nil {
			return nil, err
		}
		if counts >= 0 {
			of, _ := row[counts].([]any)
			row = slices.Replace(row, counts, counts+1, percentile(50, of), percentile(95, of))
		}
		for i := range row {
			row[i] = asKind(row[i], columns[i].Kind)
		}
		list = append(list, row)
	}
	return list, oneLine(rows.Err())
}

// latencies is the column of a view's SQL that has, for its percentiles, how
// many executions of the row fell into each latency bucket. To find a rank in it
// takes an engine forty conditions that cost more than all the rest of a view.
const latencies = "latencies"

// percentile returns the upper edge of the latency bucket that holds the rank,
// the smallest whole number that is at least p percent of all; nil of none.
func percentile(p int64, counts []any) any {
	var all, upTo int64
	for _, c := range counts {
		n, _ := c.(int64)
		all += n
	}
	if all == 0 {
		return nil
	}
	for i, c := range counts {
		n, _ := c.(int64)
		if upTo += n; upTo*100 >= all*p {
			return athenatrail.LatencyEdge(i + 1)
		}
	}
	return nil
}

// asKind makes a cell what its kind promises where SQL's type is wider.
func asKind(v any, k format.Kind) any {
	switch k {
	case format.Money:
		if n, ok := v.(int64); ok {
			return json.Number(fmt.Sprint(n))
		}
	case format.Count, format.Bytes, format.Millis:
		if n, ok := v.(json.Number); ok {
			if i, err := n.Int64(); err == nil {
				return i
			}
		}
	}
	return v
}
