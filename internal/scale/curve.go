package scale

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// A Plan is how a day's units are run.
type Plan struct {
	Name       string
	Concurrent int     // units at once, at most
	Steps      float64 // state transitions a unit
}

// Hours is the default of the Lambda functions, Accounts is ShardBy=account
// with MaxConcurrency=200.
var (
	Hours    = Plan{"hours", 24, 4}
	Accounts = Plan{"accounts", 200, 5}
)

// A Point is what an organization of some size costs and takes.
type Point struct {
	Accounts int
	Collect  Counts // a day
	Derive   Counts
	Unit     time.Duration // one unit
	Deriving time.Duration
	Complete time.Duration // from the end of the day until its tables are there
	Binds    string        // the step that takes most of it
	Backfill time.Duration // of 90 days
	Requests float64       // USD a month
	Lambda   float64
	Steps    float64
	Storage  float64 // a month, of a year's lake
}

// Month is what a month costs, without storage.
func (p Point) Month() float64 { return p.Requests + p.Lambda + p.Steps }

// line is what is counted of two sizes, at a third.
func line(a, b *Measured, of func(*Measured) float64, accounts int) float64 {
	slope := (of(b) - of(a)) / float64(b.Accounts-a.Accounts)
	return of(a) + slope*float64(accounts-a.Accounts)
}

// At returns the Point at so many accounts, from what was measured of two
// smaller organizations.
func At(a, b *Measured, p Plan, accounts int) Point {
	at := func(of func(*Measured) float64) float64 { return line(a, b, of, accounts) }
	counts := func(of func(*Measured) Counts) Counts {
		n := func(of func(*Measured) int64) int64 {
			return int64(math.Round(at(func(m *Measured) float64 { return float64(of(m)) })))
		}
		return Counts{
			List: n(func(m *Measured) int64 { return of(m).List }), Get: n(func(m *Measured) int64 { return of(m).Get }),
			Put: n(func(m *Measured) int64 { return of(m).Put }), Delete: n(func(m *Measured) int64 { return of(m).Delete }),
		}
	}
	out := Point{
		Accounts: accounts,
		Collect:  counts(func(m *Measured) Counts { return m.Collect }),
		Derive:   counts(func(m *Measured) Counts { return m.Derive }),
	}
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	sum := at(func(m *Measured) float64 { return m.Collected.Seconds() })
	derive := at(func(m *Measured) float64 { return m.Derived.Seconds() })
	o := a.Organization
	o.Accounts = accounts
	units := float64(len(o.units()))
	side := math.Min(units, float64(p.Concurrent))

	// Deriving lists a day's files of all accounts for each of its partitions:
	// a thousand files a page.
	if pages := math.Ceil(float64(accounts*o.Active) / pageKeys); pages > 1 {
		more := at(func(m *Measured) float64 { return float64(m.DayLists) }) * (pages - 1)
		out.Derive.List += int64(more)
		derive += more * Assumed.Request.Seconds() / jobs
	}

	// Units side by side share what S3 answers.
	collect := math.Max(sum/side, sum/units)
	quota := math.Max(float64(out.Collect.List+out.Collect.Get)/S3ReadsPerSecond, float64(out.Collect.Put+out.Collect.Delete)/S3WritesPerSecond)
	out.Binds = "deriving"
	if collect > derive {
		out.Binds = "reading"
	}
	if quota > collect {
		collect = quota
		if collect > derive {
			out.Binds = "S3's rate"
		}
	}
	out.Unit, out.Deriving = seconds(sum/units), seconds(derive)
	out.Complete = seconds(collect + derive)
	out.Backfill = 90 * out.Complete

	requests := func(c Counts) float64 {
		return float64(c.List+c.Put)/1000*perThousandWrites + float64(c.Get)/1000*perThousandReads
	}
	const days = 30
	out.Requests = days * (requests(out.Collect) + requests(out.Derive))
	out.Lambda = days * (sum + derive + 5) * lambdaGB * perGBSecond
	out.Steps = days * (units*p.Steps + 12) / 1000 * perThousandSteps
	out.Storage = 365 * at(func(m *Measured) float64 { return float64(m.Lake) }) / 1e9 * perGBMonth
	return out
}

// Table renders points as the page shows them.
func Table(points []Point) string {
	var b strings.Builder
	b.WriteString("| accounts | LIST a day | GET | PUT | a unit | deriving | the day is complete after | most of it is | requests | Lambda | Step Functions | a month | lake after a year | 90 days of backfill |\n")
	b.WriteString("|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|\n")
	for _, p := range points {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | **%s** | %s | %s |\n", p.Accounts,
			number(float64(p.Collect.List+p.Derive.List)), number(float64(p.Collect.Get+p.Derive.Get)), number(float64(p.Collect.Put+p.Derive.Put)),
			span(p.Unit), span(p.Deriving), span(p.Complete), p.Binds,
			money(p.Requests), money(p.Lambda), money(p.Steps), money(p.Month()), money(p.Storage), span(p.Backfill))
	}
	return b.String()
}

// number rounds to two digits: more are not known.
func number(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%.3g M", two(x/1e6))
	case x >= 1e3:
		return fmt.Sprintf("%.3g k", two(x/1e3))
	}
	return fmt.Sprintf("%g", two(x))
}

func two(x float64) float64 {
	if x <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Round(x/unit) * unit
}

func money(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.0f", two(x))
}

func span(d time.Duration) string {
	switch s := d.Seconds(); {
	case s >= 2*86400:
		return fmt.Sprintf("%.3g days", two(s/86400))
	case s >= 2*3600:
		return fmt.Sprintf("%.3g h", two(s/3600))
	case s >= 2*60:
		return fmt.Sprintf("%.3g min", two(s/60))
	default:
		return fmt.Sprintf("%.3g s", two(s))
	}
}
