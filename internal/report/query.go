package report

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/athenatrail/athenatrail/internal/format"
)

// Query runs one SELECT over the lake's views. Zero as limit is all rows. The
// rows are read while they are written and can be read once. What is wrong
// with the statement is an error that is [ErrUsage].
func (d *DB) Query(ctx context.Context, query string, limit int) (*format.Result, error) {
	if err := d.check(ctx, query); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	if d.in == duckDB {
		query = strings.TrimRight(query, "; \t\r\n")
	} else {
		query = withoutEnd(query)
	}
	rows, err := d.limited(ctx, query, limit)
	if err != nil {
		return nil, fmt.Errorf("query: %w", statementError(err))
	}
	types, err := sqlTypes(rows)
	if err != nil {
		rows.Close()
		return nil, fmt.Errorf("query: %w", oneLine(err))
	}
	columns := resultColumns(types)
	r := &format.Result{View: "query", TimeZone: d.zone, Columns: columns}
	r.Rows = func(yield func([]any, error) bool) {
		defer rows.Close()
		for n := 0; rows.Next(); n++ {
			if limit > 0 && n == limit {
				r.More = true
				return
			}
			row, err := scanRow(rows, types)
			if !yield(row, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, fmt.Errorf("query: %w", oneLine(err)))
		}
	}
	return r, nil
}

// check refuses what is not one SELECT.
func (d *DB) check(ctx context.Context, query string) error {
	if d.in != duckDB {
		return guardDistributed(query)
	}
	return d.guard(ctx, query)
}

// limited runs the query for one row more than limit, so that DuckDB need not
// hold the others. A statement that cannot stand in brackets runs as it is.
func (d *DB) limited(ctx context.Context, query string, limit int) (*sql.Rows, error) {
	if limit > 0 && d.in == duckDB { // others may forget the order of what is in brackets
		rows, err := d.query(ctx, fmt.Sprintf("SELECT * FROM (\n%s\n) LIMIT %d", query, limit+1))
		var derr *duckdb.Error
		if !errors.As(err, &derr) || derr.Type != duckdb.ErrorTypeParser && derr.Type != duckdb.ErrorTypeSyntax {
			return rows, err
		}
	}
	return d.query(ctx, query)
}

// statementError tells a wrong statement from one that failed on its way.
func statementError(err error) error {
	if err := distributedError(err); errors.Is(err, ErrUsage) {
		return err
	}
	var derr *duckdb.Error
	if errors.As(err, &derr) {
		switch derr.Type {
		case duckdb.ErrorTypeBinder, duckdb.ErrorTypeCatalog, duckdb.ErrorTypeParser, duckdb.ErrorTypeSyntax, duckdb.ErrorTypePermission:
			return usageError(oneLine(err).Error())
		}
	}
	return oneLine(err)
}

// A sqlColumn is a result column's name and its type as DuckDB spells it.
type sqlColumn struct{ name, sql string }

func sqlTypes(rows *sql.Rows) ([]sqlColumn, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	columns := make([]sqlColumn, len(types))
	for i, t := range types {
		columns[i] = sqlColumn{t.Name(), t.DatabaseTypeName()}
	}
	return columns, nil
}

// resultColumns names a result's columns, each once: JSON objects have no
// place for two of a name.
func resultColumns(types []sqlColumn) []format.Column {
	taken := map[string]bool{}
	columns := make([]format.Column, len(types))
	for i, t := range types {
		name := t.name
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", t.name, n)
		}
		taken[name] = true
		columns[i] = format.Column{Name: name, Title: name, Kind: kindOf(t.sql)}
	}
	return columns
}

func kindOf(sqlType string) format.Kind {
	base, _, _ := strings.Cut(sqlType, "(")
	switch {
	case strings.HasSuffix(sqlType, "]"):
		return format.Value
	case strings.HasPrefix(base, "TIMESTAMP"):
		return format.Time
	}
	switch base {
	case "VARCHAR", "CHAR", "UUID", "BLOB", "TIME", "INTERVAL", "ENUM":
		return format.Text
	case "BOOLEAN":
		return format.Bool
	case "DATE":
		return format.Date
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "REAL", "DOUBLE", "DECIMAL":
		return format.Number
	}
	return format.Value
}

// scanRow reads the next row as the cells of a [format.Result].
func scanRow(rows *sql.Rows, types []sqlColumn) ([]any, error) {
	row := make([]any, len(types))
	into := make([]any, len(types))
	for i := range row {
		into[i] = &row[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, oneLine(err)
	}
	for i := range row {
		row[i] = cell(row[i], types[i].sql)
	}
	return row, nil
}

// cell turns what the driver returns into what [format] writes. Numbers keep
// every digit.
func cell(v any, sqlType string) any {
	switch v := v.(type) {
	case nil, bool, int64, float64:
		return v
	case string:
		if base, _, _ := strings.Cut(sqlType, "("); base == "DECIMAL" {
			return json.Number(decimalOf(v))
		}
		return v
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		return json.Number(fmt.Sprint(v))
	case float32:
		return float64(v)
	case *big.Int:
		return json.Number(v.String())
	case duckdb.Decimal:
		return decimalText(v.Value, int(v.Scale))
	case time.Time:
		switch sqlType {
		case "TIME":
			return v.Format("15:04:05.999999")
		case "":
			return v.UTC().Format(time.RFC3339Nano) // within a list or a structure
		}
		return v.UTC()
	case duckdb.Interval:
		return fmt.Sprintf("%d months %d days %s", v.Months, v.Days, time.Duration(v.Micros)*time.Microsecond)
	case []byte:
		if sqlType == "UUID" && len(v) == 16 {
			var id duckdb.UUID
			copy(id[:], v)
			return id.String()
		}
		return fmt.Sprintf("%x", v)
	case duckdb.UUID:
		return v.String()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = cell(v[i], "")
		}
		return list
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		return v
	case map[string]any:
		m := make(map[string]any, len(v))
		for key := range v {
			m[key] = cell(v[key], "")
		}
		return m
	case fmt.Stringer:
		return v.String()
	}
	return fmt.Sprint(v)
}

// decimalText writes an exact decimal without zeros at its end.
func decimalText(n *big.Int, scale int) json.Number {
	digits := new(big.Int).Abs(n).String()
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	text := digits
	if scale > 0 {
		whole, frac := digits[:len(digits)-scale], strings.TrimRight(digits[len(digits)-scale:], "0")
		text = whole
		if frac != "" {
			text += "." + frac
		}
	}
	if n.Sign() < 0 {
		text = "-" + text
	}
	return json.Number(text)
}
