package export

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

// An Output is the form of an export's files, and the ending of their names.
type Output string

// The forms.
const (
	CSV     Output = "csv"     // RFC 4180, UTF-8, with a header
	JSON    Output = "json"    // one array a file
	JSONL   Output = "jsonl"   // one object a line
	Parquet Output = "parquet" // with the types of the lake
)

// Outputs lists the forms.
var Outputs = []Output{CSV, JSON, JSONL, Parquet}

// ParseOutput returns the form of that name.
func ParseOutput(name string) (Output, error) {
	if o := Output(name); slices.Contains(Outputs, o) {
		return o, nil
	}
	return "", usagef("output %.60q: want csv, json, jsonl or parquet", name)
}

// layout is how the cells of a file's rows are written.
type layout struct {
	output   Output
	columns  []Column
	noHeader bool
	formulas bool // texts of CSV are left as they are, also where a spreadsheet would compute them
}

// encode returns the file of rows. It calls rows once, and keeps no row that
// it was given.
func (l *layout) encode(rows iter.Seq2[[]any, error]) ([]byte, error) {
	switch l.output {
	case CSV:
		return l.csv(rows)
	case Parquet:
		return l.parquet(rows)
	}
	return l.json(rows)
}

// plain turns a cell into what package format takes.
func (l *layout) plain(v any) any {
	switch v := v.(type) {
	case athenatrail.Money:
		if l.output == CSV {
			return json.Number(v.String())
		}
		// A number of JSON becomes a binary fraction in most of its readers.
		return v.String()
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	}
	return v
}

// formatColumns are the columns as package format takes them.
func (l *layout) formatColumns() []format.Column {
	kinds := map[kind]format.Kind{text: format.Text, moment: format.Time, boolean: format.Bool, texts: format.Value}
	columns := make([]format.Column, len(l.columns))
	for i, c := range l.columns {
		columns[i] = format.Column{Name: c.Name, Kind: format.Number}
		if k, ok := kinds[c.kind]; ok {
			columns[i].Kind = k
		}
	}
	return columns
}

// A lineWriter writes rows one by one, in package format's manner of lines.
type lineWriter struct {
	result  format.Result
	options format.Options
	line    bytes.Buffer
}

// row returns a row's line without its end, until the next call; of no row, the
// header.
func (w *lineWriter) row(f format.Format, row []any) ([]byte, error) {
	w.line.Reset()
	rows := [][]any{row}
	if row == nil {
		rows = nil
	}
	w.result.Rows = format.RowsOf(rows)
	if err := format.Write(&w.line, &w.result, f, w.options); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(w.line.Bytes(), []byte("\n")), nil
}

func (l *layout) csv(rows iter.Seq2[[]any, error]) ([]byte, error) {
	const end = "\r\n" // RFC 4180, 2.1
	w := &lineWriter{result: format.Result{Columns: l.formatColumns()}, options: format.Options{RawCSV: l.formulas}}
	out := []byte{}
	if !l.noHeader {
		line, err := w.row(format.CSV, nil)
		if err != nil {
			return nil, err
		}
		out = append(append(out, line...), end...)
	}
	w.options.NoHeader = true
	cells := make([]any, len(l.columns))
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		for i, v := range row {
			cells[i] = l.plain(v)
		}
		line, err := w.row(format.CSV, cells)
		if err != nil {
			return nil, err
		}
		out = append(append(out, line...), end...)
	}
	return out, nil
}

func (l *layout) json(rows iter.Seq2[[]any, error]) ([]byte, error) {
	w := &lineWriter{result: format.Result{Columns: l.formatColumns()}}
	out := []byte{}
	between := ""
	if l.output == JSON {
		out, between = append(out, '['), ","
	}
	cells, n := make([]any, len(l.columns)), 0
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		for i, v := range row {
			cells[i] = l.plain(v)
		}
		line, err := w.row(format.JSONL, cells)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			out = append(out, between...)
		}
		if n > 0 || l.output == JSON {
			out = append(out, '\n')
		}
		out = append(out, line...)
		n++
	}
	if n > 0 {
		out = append(out, '\n')
	}
	if l.output == JSON {
		out = append(out, "]\n"...)
	}
	return out, nil
}

// rowSize is about how many bytes a row holds.
func rowSize(row []any) int {
	n := 16 * len(row)
	for _, v := range row {
		switch v := v.(type) {
		case string:
			n += len(v)
		case []string:
			for _, s := range v {
				n += 16 + len(s)
			}
		case time.Time:
			n += 8
		}
	}
	return n
}
