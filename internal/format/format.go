// Package format writes a result for people and for programs: a table for a
// terminal, CSV, JSON, JSON lines or Markdown. What it is given may have come
// out of a trail, so nothing in a cell can move a terminal's cursor, become a
// spreadsheet's formula or break out of a Markdown table.
//
// Columns keep their order in every format. A table may leave out the columns
// marked Wide and shows units that people read; the data formats have every
// column, bytes and milliseconds as integers, money as an exact decimal and
// times as RFC 3339 in UTC. NULL is empty in CSV, null in JSON and – in a
// table.
package format

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
)

// A Kind says what a column's values mean and so how people read them.
type Kind string

// Kinds, with the Go types that a cell may hold beside nil.
const (
	Text    Kind = "text"    // string
	SQL     Kind = "sql"     // string; a table folds its white space
	ID      Kind = "id"      // string; a table shows as much as "who" needs
	Count   Kind = "count"   // int64
	Bytes   Kind = "bytes"   // int64
	Millis  Kind = "ms"      // int64
	Money   Kind = "money"   // json.Number, in the currency of the row's column "currency"
	Percent Kind = "percent" // float64, 0 to 100
	Change  Kind = "change"  // float64, percent of what it was before
	MB      Kind = "mb"      // float64, in 10^6 bytes
	Number  Kind = "number"  // int64, float64 or json.Number, shown as it is
	Time    Kind = "time"    // time.Time, a moment
	Minute  Kind = "minute"  // time.Time, a moment of which a table does not show the seconds
	Date    Kind = "date"    // time.Time, midnight UTC of a calendar day
	Bool    Kind = "bool"    // bool
	Value   Kind = "value"   // anything, lists and structures included
)

// A Column is one column of a result.
type Column struct {
	Name  string // snake_case, the same in every format
	Title string // over the column of a table; empty means Name with blanks
	Kind  Kind
	Wide  bool   // left out of a table
	Help  string // one line for documentation
}

// Section is the name of the column by which a table is cut into parts, each
// under the column's value as a heading.
const Section = "section"

// Currency is the name of the column that says what the row's money is in. A
// table writes it beside the amounts instead of in a column.
const Currency = "currency"

// A Result is what a view or a query answers.
type Result struct {
	View       string
	From, To   time.Time      // half-open; zero when the result has no window
	TimeZone   *time.Location // in which a table shows times; nil is UTC
	CompleteTo time.Time      // up to when the lake is complete; zero when unknown
	Columns    []Column

	// Rows yields one slice per row, with a cell per column. The rows of a
	// view can be read again, those of a query once.
	Rows iter.Seq2[[]any, error]

	// More is set when Rows ended because of a limit. It holds once Rows has
	// been read to its end.
	More bool
}

// RowsOf returns rows that are in memory already.
func RowsOf(rows [][]any) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// All returns the rows as a slice.
func (r *Result) All() ([][]any, error) {
	var rows [][]any
	for row, err := range r.Rows {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Index returns the place of the column with that name, or -1.
func (r *Result) Index(name string) int {
	return slices.IndexFunc(r.Columns, func(c Column) bool { return c.Name == name })
}

func (r *Result) zone() *time.Location {
	if r.TimeZone == nil {
		return time.UTC
	}
	return r.TimeZone
}

// A Format is a way to write a result.
type Format string

// The formats.
const (
	Table    Format = "table"
	CSV      Format = "csv"
	JSON     Format = "json"
	JSONL    Format = "jsonl"
	Markdown Format = "markdown"
)

// Formats lists every format, the one for a terminal first.
var Formats = []Format{Table, CSV, JSON, JSONL, Markdown}

// Parse returns the format of that name.
func Parse(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats, f) {
		return f, nil
	}
	names := make([]string, len(Formats))
	for i, f := range Formats {
		names[i] = string(f)
	}
	last := len(names) - 1
	return "", fmt.Errorf("output format %q: want %s or %s", name, strings.Join(names[:last], ", "), names[last])
}

// Options are how to write. The zero value is right for a pipe.
type Options struct {
	Color bool // a table may use bold and dim

	// Width is the terminal's, in cells; a table cuts its longest texts to
	// fit, and CSV writes what a terminal would obey as an escape. Zero cuts
	// nothing: it is no terminal.
	Width int

	Wide     bool // a table has every column
	NoHeader bool // a table has no line about the window, CSV no line of names
	RawCSV   bool // CSV cells are not guarded against spreadsheets' formulas
}

// Write writes the result to w. The format decides how much of it is held in
// memory: a table all of it, the others one row.
func Write(w io.Writer, r *Result, f Format, o Options) error {
	write, ok := map[Format]func(*bufio.Writer, *Result, Options) error{
		Table: writeTable, CSV: writeCSV, JSON: writeJSON, JSONL: writeJSONL, Markdown: writeMarkdown,
	}[f]
	if !ok {
		_, err := Parse(string(f))
		return err
	}
	b := bufio.NewWriter(w)
	if err := write(b, r, o); err != nil {
		b.Flush() // what was written before the failure is right as far as it goes
		return err
	}
	return b.Flush()
}
