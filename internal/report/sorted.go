package report

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/format"
)

// An Order is by which column the rows of a view are to stand. The zero value
// is the view's own order.
type Order struct {
	Column string
	Desc   bool
}

// ParseOrder reads column, or -column for the greatest first.
func ParseOrder(s string) Order {
	column, desc := strings.CutPrefix(s, "-")
	return Order{column, desc}
}

func (o Order) String() string {
	if o.Desc {
		return "-" + o.Column
	}
	return o.Column
}

// maxSorted bounds how many rows are held to sort them.
const maxSorted = 200_000

// Sorted is [DB.Report] in another order: all rows are sorted before the limit
// cuts them. Rows that are equal in the column keep the view's order, and those
// without a value come last.
func (d *DB) Sorted(ctx context.Context, view string, p Params, o Order) (*format.Result, error) {
	if o.Column == "" {
		return d.Report(ctx, view, p)
	}
	if view == "overview" {
		return nil, usageError("the overview has its own order")
	}
	limit := p.Limit
	p.Limit = maxSorted
	r, err := d.Report(ctx, view, p)
	if err != nil {
		return nil, err
	}
	if r.More {
		return nil, usageError(fmt.Sprintf("the view %s has more than %d rows: too many to sort, narrow the window or add conditions", view, maxSorted))
	}
	at := r.Index(o.Column)
	if at < 0 || r.Columns[at].Kind == format.Value {
		var names []string
		for _, c := range r.Columns {
			names = append(names, c.Name)
		}
		return nil, unknown("column to sort by", o.Column, names)
	}
	rows, err := r.All()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(rows, func(a, b []any) int { return compareCells(a[at], b[at], o.Desc) })
	if limit > 0 && len(rows) > limit {
		rows, r.More = rows[:limit], true
	}
	r.Rows = format.RowsOf(rows)
	return r, nil
}

// compareCells orders two cells of a column, nil behind everything.
func compareCells(a, b any, desc bool) int {
	switch {
	case a == nil || b == nil:
		return cmp.Compare(boolInt(a == nil), boolInt(b == nil))
	case desc:
		a, b = b, a
	}
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case float64:
		if b, ok := b.(float64); ok {
			return cmp.Compare(a, b)
		}
	case bool:
		if b, ok := b.(bool); ok {
			return cmp.Compare(boolInt(a), boolInt(b))
		}
	case time.Time:
		if b, ok := b.(time.Time); ok {
			return a.Compare(b)
		}
	}
	if x, ok := rational(a); ok {
		if y, ok := rational(b); ok {
			return x.Cmp(y)
		}
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Compare(x, y)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rational returns a number of any of the types that a cell can have.
func rational(v any) (*big.Rat, bool) {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v), true
	case float64:
		r := new(big.Rat).SetFloat64(v)
		return r, r != nil
	case json.Number:
		return new(big.Rat).SetString(string(v))
	}
	return nil, false
}
