package report

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// Values returns what stands in columns of usage in a window, for each the
// values that occur most, at most so many. A column is one of [View.By] of the
// view usage.
func (d *DB) Values(ctx context.Context, columns []string, from, to time.Time, limit int) (map[string][]string, error) {
	values := map[string][]string{}
	var parts []string
	for _, name := range columns {
		if !slices.Contains(rollupKeys(), name) || rollupKinds[name] != "VARCHAR" {
			return nil, fmt.Errorf("values: %w", unknown("column", name, rollupKeys()))
		}
		parts = append(parts, fmt.Sprintf("SELECT * FROM (SELECT %s AS name, %s AS value, sum(executions) AS n FROM used WHERE %s IS NOT NULL GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT %d) AS %s_values",
			quote(name), name, name, limit, name))
	}
	from = from.Truncate(athenatrail.SlotLength)
	used := fmt.Sprintf("SELECT * FROM usage_rollup WHERE dt >= %s AND dt <= %s AND slot >= %s AND slot < %s",
		date(from.UTC().Add(-slack)), date(to.UTC().Add(slack)), timestamp(from), timestamp(to))
	if d.reader != nil && from.Before(to) {
		used = heldValues(from, to, d.zone)
	}
	text := fmt.Sprintf("WITH used AS (%s)\n%s\nORDER BY name, n DESC, value", used, strings.Join(parts, "\nUNION ALL\n"))
	read := func(rows *sql.Rows) error {
		for rows.Next() {
			var name, value string
			var n any
			if err := rows.Scan(&name, &value, &n); err != nil {
				return err
			}
			values[name] = append(values[name], value)
		}
		return rows.Err()
	}
	var err error
	if d.reader != nil && from.Before(to) {
		err = d.reader.with(ctx, statement{sql: text}, read)
	} else {
		var rows *sql.Rows
		if rows, err = d.query(ctx, text); err == nil {
			defer rows.Close()
			err = read(rows)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("values: %w", oneLine(err))
	}
	return values, nil
}
