// Package recap sums up a day or a week for people who get it by mail or chat:
// what was spent, who cost more and who less than before, who is near a limit,
// and what could be saved. It asks the program's own views, whatever the
// engine, and makes text, HTML that mail clients show, and pictures.
package recap

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/limit"
)

// Views answers one of the program's views over a window, with the rows of each
// group of by.
type Views func(ctx context.Context, view string, by []string, from, to time.Time) (*format.Result, error)

// A Period is what is summed up.
type Period string

// The periods.
const (
	Day  Period = "day"
	Week Period = "week" // from Monday on
)

// Last returns the last period that ended by a moment, in a zone.
func (p Period) Last(by time.Time, zone *time.Location) (from, to time.Time) {
	local := by.In(zone)
	day := func(back int) time.Time {
		return time.Date(local.Year(), local.Month(), local.Day()-back, 0, 0, 0, 0, zone)
	}
	if p == Day {
		return day(1), day(0)
	}
	sinceMonday := (int(local.Weekday()) + 6) % 7
	return day(sinceMonday + 7), day(sinceMonday)
}

// before returns the start of the period before one. Periods are of days, so
// that one with a clock change has an hour more or less.
func (p Period) before(from time.Time) time.Time {
	if p == Day {
		return from.AddDate(0, 0, -1)
	}
	return from.AddDate(0, 0, -7)
}

// A Recap is what there is to say of a period.
type Recap struct {
	Period     Period
	From, To   time.Time // in the zone in which days begin
	CompleteTo time.Time // what the lake knows; at least To

	Totals []Total // by currency, the largest first; empty if nothing ran
	Bars   []Bar   // by hour or day, of the first currency
	People []Move  // whose cost differs most from the period before
	Teams  []Move
	AtRisk []Risk
	Most   []Spender // who cost most, of the first currency

	Findings []Finding              // that could save most, then the gravest
	Found    int                    // of them in all
	Savings  map[string]json.Number // by currency, of all findings; they may overlap
}

// A Total is of all that ran, in one currency.
type Total struct {
	Currency           string
	Cost, CostBefore   json.Number
	Scanned            int64 // bytes
	Executions, Failed int64
	People             int64
	ScannedBefore      int64
	ExecutionsBefore   int64
}

// A Bar is the cost of an hour or a day, and of the same in the period before.
type Bar struct {
	Start       time.Time
	Now, Before float64
}

// A Move is how much the cost of a person or team changed.
type Move struct {
	Name         string
	Currency     string
	Cost, Before json.Number
	Difference   json.Number
	Percent      float64 // zero where there was nothing before
	Status       string  // new or gone; else empty
}

// Up reports whether more was spent.
func (m Move) Up() bool { return !strings.HasPrefix(string(m.Difference), "-") }

// A Risk is somebody near or over a limit.
type Risk struct {
	Who, Limit, Used, Allowed string
	Percent                   float64
	State                     string
	Forecast                  string // for the window's end; empty without one
}

// A Spender is a person with their cost.
type Spender struct {
	Name     string
	Cost     json.Number
	Currency string
}

// A Finding is something to mend.
type Finding struct {
	Severity, Rule, Person, What, Fix string
	Saving                            json.Number // empty where it is not known
	Currency                          string
}

// How many of each are told.
const (
	mostMoves    = 5
	mostRisks    = 8
	mostFindings = 5
	mostSpenders = 8

	// leastMove is what a cost differs by at least, in its currency, to be
	// told.
	leastMove = "0.01"
)

// Make asks the views for a period that has ended. Limits may be nil.
func Make(ctx context.Context, views Views, p Period, from, to, completeTo time.Time, limits *limit.Report) (*Recap, error) {
	r := &Recap{Period: p, From: from, To: to, CompleteTo: completeTo, Savings: map[string]json.Number{}}
	before := p.before(from)
	for _, step := range []func() error{
		func() error { return r.totals(ctx, views, before) },
		func() error { return r.bars(ctx, views, before) },
		func() (err error) {
			r.People, err = moves(ctx, views, "person", from, to)
			return err
		},
		func() (err error) {
			r.Teams, err = moves(ctx, views, "team", from, to)
			return err
		},
		func() error { return r.spenders(ctx, views) },
		func() error { return r.findings(ctx, views) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if limits != nil {
		r.risks(limits)
	}
	return r, nil
}

// each calls f with the rows of a view.
func each(ctx context.Context, views Views, view string, by []string, from, to time.Time, f func(row)) error {
	result, err := views(ctx, view, by, from, to)
	if err != nil {
		return fmt.Errorf("digest: view %s: %w", view, err)
	}
	for cells, err := range result.Rows {
		if err != nil {
			return fmt.Errorf("digest: view %s: %w", view, err)
		}
		f(row{result, cells})
	}
	return nil
}

// A row is one of a view, by the names of its columns. What a view lacks is
// empty.
type row struct {
	*format.Result
	cells []any
}

func (r row) cell(name string) any {
	if i := r.Index(name); i >= 0 {
		return r.cells[i]
	}
	return nil
}

func (r row) text(name string) string {
	s, _ := r.cell(name).(string)
	return s
}

func (r row) number(name string) int64 {
	n, _ := r.cell(name).(int64)
	return n
}

func (r row) money(name string) json.Number {
	n, _ := r.cell(name).(json.Number)
	return n
}

func (r row) percent(name string) float64 {
	f, _ := r.cell(name).(float64)
	return f
}

func (r *Recap) totals(ctx context.Context, views Views, before time.Time) error {
	total := func(from, to time.Time, f func(row)) error {
		return each(ctx, views, "overview", nil, from, to, func(x row) {
			if x.text(format.Section) == "total" {
				f(x)
			}
		})
	}
	err := total(r.From, r.To, func(x row) {
		r.Totals = append(r.Totals, Total{
			Currency: x.text(format.Currency), Cost: x.money("cost"), Scanned: x.number("data_scanned_bytes"),
			Executions: x.number("executions"), Failed: x.number("failed"), People: x.number("people"),
		})
	})
	if err != nil {
		return err
	}
	// What ran in the period before alone has a row too.
	r.Totals = slices.DeleteFunc(r.Totals, func(t Total) bool { return t.Executions == 0 && t.Scanned == 0 && rat(t.Cost).Sign() == 0 })
	slices.SortStableFunc(r.Totals, func(a, b Total) int { return compare(b.Cost, a.Cost) })
	return total(before, r.From, func(x row) {
		for i := range r.Totals {
			if t := &r.Totals[i]; t.Currency == x.text(format.Currency) {
				t.CostBefore, t.ScannedBefore, t.ExecutionsBefore = x.money("cost"), x.number("data_scanned_bytes"), x.number("executions")
			}
		}
	})
}

// currency is that of what cost most, of which the pictures are.
func (r *Recap) currency() string {
	if len(r.Totals) == 0 {
		return ""
	}
	return r.Totals[0].Currency
}

func (r *Recap) bars(ctx context.Context, views Views, before time.Time) error {
	by, step := "day", func(t time.Time, n int) time.Time { return t.AddDate(0, 0, n) }
	if r.Period == Day {
		by, step = "hour", func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Hour) }
	}
	// A day has a date as its cell, an hour a moment.
	key := func(v any) string {
		t, ok := v.(time.Time)
		switch {
		case !ok:
			return fmt.Sprint(v)
		case by == "day":
			return t.Format(time.DateOnly)
		}
		return t.UTC().Format(time.RFC3339)
	}
	cost := map[string]float64{}
	err := each(ctx, views, "usage", []string{by}, before, r.To, func(x row) {
		if x.text(format.Currency) == r.currency() {
			f, _ := x.money("cost").Float64()
			cost[key(x.cell(by))] += f
		}
	})
	if err != nil {
		return err
	}
	at := func(t time.Time) float64 {
		if by == "day" {
			return cost[t.Format(time.DateOnly)]
		}
		return cost[t.UTC().Format(time.RFC3339)]
	}
	for n := 0; ; n++ {
		now := step(r.From, n)
		if !now.Before(r.To) {
			return nil
		}
		r.Bars = append(r.Bars, Bar{Start: now, Now: at(now), Before: at(step(before, n))})
	}
}

func moves(ctx context.Context, views Views, by string, from, to time.Time) (list []Move, err error) {
	err = each(ctx, views, "changes", []string{by}, from, to, func(x row) {
		m := Move{
			Name: x.text("name"), Currency: x.text(format.Currency), Cost: x.money("cost"), Before: x.money("cost_before"), Difference: x.money("cost_difference"),
			Percent: x.percent("cost_change_percent"), Status: x.text("status"),
		}
		if m.Difference != "" && compare(abs(m.Difference), leastMove) >= 0 {
			list = append(list, m)
		}
	})
	slices.SortStableFunc(list, func(a, b Move) int { return compare(abs(b.Difference), abs(a.Difference)) })
	return firstOfEach(list), err
}

// firstOfEach keeps the largest moves up and down, up first.
func firstOfEach(list []Move) []Move {
	var up, down []Move
	for _, m := range list {
		if into := &up; m.Up() {
			if len(*into) < mostMoves {
				*into = append(*into, m)
			}
		} else if len(down) < mostMoves {
			down = append(down, m)
		}
	}
	return append(up, down...)
}

func (r *Recap) spenders(ctx context.Context, views Views) error {
	err := each(ctx, views, "users", nil, r.From, r.To, func(x row) {
		if c := x.text(format.Currency); c == r.currency() && x.money("cost") != "" {
			r.Most = append(r.Most, Spender{x.text("person"), x.money("cost"), c})
		}
	})
	slices.SortStableFunc(r.Most, func(a, b Spender) int { return compare(b.Cost, a.Cost) })
	r.Most = r.Most[:min(len(r.Most), mostSpenders)]
	return err
}

var severities = []string{"high", "medium", "low"}

func (r *Recap) findings(ctx context.Context, views Views) error {
	savings := map[string]*big.Rat{}
	err := each(ctx, views, "findings", nil, r.From, r.To, func(x row) {
		f := Finding{
			Severity: x.text("severity"), Rule: x.text("rule"), Person: x.text("person"), What: x.text("what"), Fix: x.text("fix"),
			Saving: x.money("saving"), Currency: x.text(format.Currency),
		}
		r.Findings = append(r.Findings, f)
		if f.Saving != "" {
			if savings[f.Currency] == nil {
				savings[f.Currency] = new(big.Rat)
			}
			savings[f.Currency].Add(savings[f.Currency], rat(f.Saving))
		}
	})
	for currency, sum := range savings {
		r.Savings[currency] = json.Number(sum.FloatString(9))
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(compare(b.Saving, a.Saving), cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)))
	})
	r.Found = len(r.Findings)
	r.Findings = r.Findings[:min(len(r.Findings), mostFindings)]
	return err
}

func (r *Recap) risks(report *limit.Report) {
	for i := range report.Statuses {
		s := &report.Statuses[i]
		if s.State != limit.AtRisk && s.State != limit.Over {
			continue
		}
		risk := Risk{
			Who: s.Subject.String(), Limit: s.Limit.Name, Used: s.Limit.Amount.Format(s.Used), Allowed: s.Limit.Text(), Percent: s.Percent(), State: string(s.State),
		}
		if s.Forecast != nil {
			risk.Forecast = fmt.Sprintf("%.0f %%", s.ForecastPercent())
		}
		r.AtRisk = append(r.AtRisk, risk)
	}
	slices.SortStableFunc(r.AtRisk, func(a, b Risk) int { return cmp.Compare(b.Percent, a.Percent) })
	r.AtRisk = r.AtRisk[:min(len(r.AtRisk), mostRisks)]
}

// rat returns an amount; what is none is nothing.
func rat(n json.Number) *big.Rat {
	r, ok := new(big.Rat), false
	if len(n) < 64 && !strings.ContainsAny(string(n), "eE/") {
		_, ok = r.SetString(string(n))
	}
	if !ok {
		return new(big.Rat)
	}
	return r
}

func compare(a, b json.Number) int { return rat(a).Cmp(rat(b)) }

func abs(n json.Number) json.Number { return json.Number(strings.TrimPrefix(string(n), "-")) }

// percentOf returns by how many per cent now is more than before, and whether
// that can be said.
func percentOf(now, before *big.Rat) (float64, bool) {
	if before.Sign() <= 0 {
		return 0, false
	}
	f, _ := new(big.Rat).Quo(new(big.Rat).Sub(now, before), before).Float64()
	return 100 * f, true
}
