package web

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/format"
)

// trendsOf are costs day by day for each value of a column.
type trendsOf struct {
	by   map[string][]*big.Rat // by value and currency
	days []string
}

// trends asks for the costs day by day that a panel draws beside its rows, nil
// where it draws none.
func (g *grid) trends(ctx context.Context, a asked) (*trendsOf, error) {
	if g.p.Trend == "" || g.q.To.Sub(g.q.From) < 48*time.Hour || g.q.To.Sub(g.q.From) > 400*24*time.Hour {
		return nil, nil
	}
	b := asked{view: "usage", params: a.params}
	b.params.By, b.params.Limit = []string{"day", g.p.Trend}, 0
	b.params.Columns = []string{"day", g.p.Trend, "cost", format.Currency}
	b.params.Where = slices.Clone(a.params.Where)
	r, rows, err := g.s.answer(ctx, g.q, b)
	if err != nil {
		return nil, err
	}
	other := &grid{s: g.s, q: g.q, pg: g.pg, p: &panel{X: "day"}, r: r, rows: rows}
	days := map[string]int{}
	t := &trendsOf{by: map[string][]*big.Rat{}}
	for i, d := range other.days(&pivot{}) {
		days[d.text] = i
		t.days = append(t.days, d.text)
	}
	for _, row := range rows {
		day, _ := other.at(row, "day").(time.Time)
		at, ok := days[day.Format(time.DateOnly)]
		n, isNumber := number(other.at(row, "cost"))
		if !ok || !isNumber {
			continue
		}
		key := other.text(row, g.p.Trend) + "\x00" + other.text(row, format.Currency)
		if t.by[key] == nil {
			t.by[key] = make([]*big.Rat, len(days))
		}
		if t.by[key][at] == nil {
			t.by[key][at] = new(big.Rat)
		}
		t.by[key][at].Add(t.by[key][at], n)
	}
	return t, nil
}

// The size of a trend's line, in pixels.
const trendWidth, trendHeight = 96, 20

// of returns what a value cost day by day.
func (t *trendsOf) of(value, currency string) []float64 {
	list := make([]float64, len(t.days))
	for i, n := range t.by[value+"\x00"+currency] {
		if n != nil {
			list[i], _ = n.Float64()
		}
	}
	return list
}

func (t *trendsOf) cell(value, currency string) cellView {
	values := t.by[value+"\x00"+currency]
	most := new(big.Rat)
	for _, n := range values {
		if n != nil && n.Cmp(most) > 0 {
			most = n
		}
	}
	if most.Sign() == 0 || len(t.days) < 2 {
		return cellView{Class: "trend none", Text: "–"}
	}
	var points []string
	for i, n := range values {
		f := 0.0
		if n != nil {
			f, _ = new(big.Rat).Quo(n, most).Float64()
		}
		points = append(points, fmt.Sprintf("%.1f,%.1f", 1+float64(i)*(trendWidth-2)/float64(len(t.days)-1), 1+(1-f)*(trendHeight-2)))
	}
	return cellView{Class: "trend", Spark: strings.Join(points, " ")}
}
