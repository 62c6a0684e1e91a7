// Package export writes a lake's rows into the files that people have jobs
// for: one file an hour, in folders named year=, month=, day= and hour=.
//
//	year=2026/month=11/day=03/hour=07/query_executions.csv
//
// A row lies in the hour of its start (submission_date_time, started_at,
// submitted_at or event_time), whatever partition of the lake holds it, and in
// one file only. Rows are ordered by time, then by id. An hour without rows
// has a file too: a header, an empty array, or a Parquet file of no rows. So
// the absence of a file says that its hour was not complete.
//
// The bytes of a file are a function of the lake's rows and the options, and
// of nothing else. A file that is already what it should be is not written.
//
// Partitions are read once, in the order of their days, and their rows wait
// for their hours: in memory up to 64 MiB, beyond that in a temporary folder
// of the user's own. Beside those, memory holds one partition's file as it is
// stored, the hashes of its SQL, and an hour's rows with the files that are
// being written.
package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

var (
	// ErrUsage marks errors that are the caller's: what was asked for is not
	// to be had.
	ErrUsage = errors.New("usage")

	// ErrIncomplete says that no hour of those asked for is complete.
	ErrIncomplete = errors.New("no hour asked for is complete")

	// ErrDestination marks errors of the place that files are written to.
	ErrDestination = errors.New("destination")
)

// A marked error is one of those above without its words.
type marked struct {
	error
	as error
}

func (m *marked) Is(target error) bool { return target == m.as }
func (m *marked) Unwrap() error        { return m.error }

func usagef(format string, args ...any) error {
	return &marked{fmt.Errorf(format, args...), ErrUsage}
}

// maxHours bounds a window. It is eleven years.
const maxHours = 100_000

// window is how far back the default window goes.
const window = 7 * 24 * time.Hour

// Options are what to export, from where and to where.
type Options struct {
	Lake *lake.Lake
	Dest lake.Store // not the lake's own place

	// From and To bound the hours, half-open. Hours that they cut are
	// exported whole. A zero To is CompleteTo, less the hour that has begun; a
	// zero From is 7 days before To.
	From, To time.Time

	// CompleteTo is up to when the lake is complete; zero is not known. Hours
	// that end later are left out, unless Incomplete is set.
	CompleteTo time.Time
	Incomplete bool

	Zone    *time.Location // of the hours; nil is UTC
	Table   string         // of [Tables]; empty is Queries
	Columns string         // a set, or names with commas between; empty is All
	Output  Output         // empty is CSV

	NoHeader bool // CSV without a header
	Formulas bool // CSV with texts that a spreadsheet would take for formulas

	// DerivedWith is what tables are derived with today: see
	// [Summary.Outdated]. Empty looks at nothing.
	DerivedWith string

	DryRun bool // nothing is written

	// Progress, if set, is told after each file how many of the hours are done.
	Progress func(done, all int)
}

// A Summary is what an export did, or would do.
type Summary struct {
	From, To  time.Time // the hours exported, in UTC
	Hours     int       // of them
	Written   int       // files that are new or were replaced
	Unchanged int       // files that were right already
	Rows      int64
	Bytes     int64 // of all files

	// LeftOut are the hours that were asked for and are not complete.
	LeftOut     int
	LeftOutFrom time.Time

	// Waiting are rows that Athena has not told all about, in WaitingHours of
	// the files. An export after the next collection may replace these.
	Waiting      int64
	WaitingHours int

	// Begins is the day of the lake's first rows, and Before how many of the
	// hours lie before it: that their files are empty says nothing.
	Begins time.Time
	Before int

	Outdated   int // partitions that were derived with other settings than DerivedWith
	Underived  int // partitions with facts that the tables do not know yet
	Partitions int // that were read
}

// plan is an export about to be done.
type plan struct {
	Options
	table *table
	set   set
	hours []Hour
	index map[clock]int // of hours
	hold  int           // bytes of rows in memory that wait for their hour
	sum   Summary
}

// Run exports what the options ask for. The summary is there beside an error
// too: it says what was done until then. Errors are [ErrUsage],
// [ErrIncomplete], and those of the lake and the destination; an export that
// failed can be run again.
func Run(ctx context.Context, o Options) (*Summary, error) {
	p, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	err = p.run(ctx)
	return &p.sum, err
}

func newPlan(o Options) (*plan, error) {
	p := &plan{Options: o, hold: spoolBytes}
	p.Zone = cmp.Or(o.Zone, time.UTC)
	p.Output = cmp.Or(o.Output, CSV)
	var err error
	if _, err = ParseOutput(string(p.Output)); err != nil {
		return nil, err
	}
	if p.table, err = tableOf(o.Table); err != nil {
		return nil, err
	}
	if p.set, err = parseColumns(p.table, o.Columns); err != nil {
		return nil, err
	}
	if p.set.name == Tracker {
		if _, err := newYork(); err != nil {
			return nil, fmt.Errorf("columns %s: %w", Tracker, err)
		}
	}
	if within(o.Dest.String(), o.Lake.String()) {
		return nil, usagef("the destination %s lies in the lake %s: name another place", o.Dest, o.Lake)
	}
	return p, p.choose()
}

// within tells whether a place is another, or below it.
func within(place, other string) bool {
	return place == other || strings.HasPrefix(place, strings.TrimSuffix(other, "/")+"/")
}

// choose finds the hours to export.
func (p *plan) choose() error {
	to, asked := p.To, !p.To.IsZero()
	if !asked {
		if to = p.CompleteTo; to.IsZero() {
			return usagef("it is not known up to when the lake is complete: say to when to export, and that incomplete hours are welcome")
		}
	}
	from := p.From
	if from.IsZero() {
		from = to.Add(-window)
	}
	switch {
	case !from.Before(to) && !asked:
		return usagef("from %s: the lake is complete to %s only", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	case !from.Before(to):
		return usagef("from %s is not before to %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	case to.Sub(from) > maxHours*time.Hour:
		return usagef("%d hours are asked for: want at most %d", to.Sub(from)/time.Hour, maxHours)
	}
	for _, h := range Hours(from, to, p.Zone) {
		switch complete := !p.CompleteTo.IsZero() && !h.To.After(p.CompleteTo); {
		case complete || p.Incomplete:
			p.hours = append(p.hours, h)
		case asked:
			if p.sum.LeftOut++; p.sum.LeftOutFrom.IsZero() {
				p.sum.LeftOutFrom = h.From
			}
		}
	}
	if len(p.hours) == 0 {
		return fmt.Errorf("%w: the lake is complete to %s", ErrIncomplete, known(p.CompleteTo))
	}
	p.sum.Hours, p.sum.From, p.sum.To = len(p.hours), p.hours[0].From, p.hours[len(p.hours)-1].To
	p.index = make(map[clock]int, len(p.hours))
	for i, h := range p.hours {
		p.index[clock{h.Year, h.Month, h.Day, h.Hour}] = i
	}
	return nil
}

func known(t time.Time) string {
	if t.IsZero() {
		return "a time that is not known"
	}
	return t.UTC().Format(time.RFC3339)
}

func (p *plan) run(ctx context.Context) (err error) {
	if err := p.look(ctx); err != nil {
		return err
	}
	first, last := athenatrail.DateOf(p.hours[0].From)-reach, lastDay(p.hours[len(p.hours)-1])
	var days []athenatrail.Partition
	for file, err := range lake.Partitions(ctx, p.Lake, p.table.dataset, first, last+1) { // by day
		if err != nil {
			return err
		}
		days = append(days, file.Partition)
	}

	held := p.Lake.Reading()
	aside := newSpool(p.hold)
	defer func() { err = errors.Join(err, aside.close()) }()
	out := p.newWriter(ctx)
	defer func() { err = cmp.Or(err, out.close()) }()
	next := 0
	for i, day := range days {
		if i == 0 || days[i-1].Date != day.Date {
			for ; next < len(p.hours) && lastDay(p.hours[next]) < day.Date; next++ {
				if err := p.finish(ctx, aside, out, next); err != nil {
					return err
				}
			}
		}
		if err := p.read(ctx, held, day, aside); err != nil {
			return err
		}
	}
	for ; next < len(p.hours); next++ {
		if err := p.finish(ctx, aside, out, next); err != nil {
			return err
		}
	}
	return nil
}

// lastDay is the last day whose partitions may hold rows of an hour.
func lastDay(h Hour) athenatrail.Date {
	return athenatrail.DateOf(h.To.Add(-time.Nanosecond)) + reach
}

// look finds out what of the lake makes an export less than it seems.
func (p *plan) look(ctx context.Context) error {
	from, to := athenatrail.DateOf(p.sum.From), athenatrail.DateOf(p.sum.To.Add(-time.Nanosecond))
	for file, err := range lake.Partitions(ctx, p.Lake, lake.QueryExecutions, 0, 0) {
		if err != nil {
			return err
		}
		if p.sum.Begins.IsZero() {
			p.sum.Begins = file.Date.Time()
		}
		if file.Date < from || file.Date > to || p.DerivedWith == "" {
			continue
		}
		with, err := file.DerivedWith(ctx, p.Lake, lake.QueryExecutions)
		if err != nil {
			return err
		}
		if with != p.DerivedWith {
			p.sum.Outdated++
		}
	}
	for _, h := range p.hours {
		if !p.sum.Begins.IsZero() && !h.To.After(p.sum.Begins) {
			p.sum.Before++
		}
	}
	marks, err := p.Lake.Marks(ctx)
	for _, m := range marks {
		if m.Date >= from && m.Date <= to {
			p.sum.Underived++
		}
	}
	return err
}
