// Package completeness says what of Athena's executions a lake has: it counts
// the starts that the trail told of, their rows and their details, day by day,
// and compares them with what Athena itself lists. It also looks for hours in
// which a trail delivered nothing between others in which it did.
package completeness

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
)

// HistoryDays is how long Athena lists an execution (API reference,
// ListQueryExecutions).
const HistoryDays = 45

const day = 24 * time.Hour

// A Place is one region of one account.
type Place struct{ Account, Region string }

func compare(a, b Place) int {
	return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region))
}

// Athena is asked in one place. [athenaapi.Client] is one.
type Athena interface {
	WorkGroups(ctx context.Context) ([]string, error)
	Executions(ctx context.Context, workGroup string) iter.Seq2[[]string, error]
	Details(ctx context.Context, now time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer]
}

// Options are what to look at. Lake, Ledger, Now and the window are needed.
type Options struct {
	Lake   *lake.Lake
	Ledger *ledger.Ledger

	// From and To are the window, by when executions were started; of From the
	// day counts. The lake should be complete to To: what is started later is
	// not missed.
	From, To time.Time
	Now      time.Time

	// Athena returns whom to ask in a place; nil without an error where nobody
	// is to be asked. A nil function asks nowhere.
	Athena func(ctx context.Context, p Place) (Athena, error)

	// Places are asked beside those that the lake has executions of.
	Places []Place

	// Progress is told, now and then, how many ids were listed.
	Progress func(listed int)
}

// A Day is what is known of one day of an account and region.
type Day struct {
	athenatrail.Partition

	Starts  int64            // different ones in the trail, those that failed included
	Rows    int64            // in the table, of starts in the trail
	Details int64            // rows with all that there is to know
	Gaps    map[string]int64 // rows without, by reason
	Lost    int64            // starts in the trail without a row

	Unknown  int64 // executions that Athena lists and the trail does not know
	Unlisted int64 // executions of the trail that Athena does not list
	Asked    bool  // Athena was asked about this day
}

// Ran is how many executions there were, as far as the trail or Athena know.
// Starts that failed ran nothing.
func (d *Day) Ran() int64 { return d.Rows - d.Gaps[athenatrail.GapNotStarted] + d.Lost + d.Unknown }

// A Missing is an execution that only one side knows.
type Missing struct {
	Place
	ID        string
	At        time.Time // zero: not known
	WorkGroup string
	Unknown   bool   // to the trail; else not listed by Athena
	Why       string // what is known of the reason
}

// A Result is what was found, in the order of days, accounts and regions.
type Result struct {
	Days    []*Day
	Missing []Missing
	Further int // missing ones that are counted and not kept

	// Undated are executions that the trail does not know and of which Athena
	// does not tell when they were started.
	Undated   int64
	Forgotten int64 // executions that the lake was told to forget

	Holes    []Hole
	Unasked  []Unasked
	asked    map[Place]bool
	oldAsked athenatrail.Date // the first day that Athena still lists whole
}

// An Unasked says that Athena could not be asked, or not about all.
type Unasked struct {
	Place
	Err error
}

// Whole returns how many executions have their row and their details, and how
// many there were.
func (r *Result) Whole() (whole, ran int64) {
	for _, d := range r.Days {
		whole += d.Details
		ran += d.Ran()
	}
	return whole, ran + r.Undated
}

// Coverage is the share of executions that the lake has with all that there is
// to know of them, in percent; 100 where nothing ran.
func (r *Result) Coverage() float64 {
	whole, ran := r.Whole()
	if ran == 0 {
		return 100
	}
	return 100 * float64(whole) / float64(ran)
}

// maxMissing bounds the executions that are named.
const maxMissing = 10_000

func (r *Result) miss(m Missing) {
	if len(r.Missing) == maxMissing {
		r.Further++
		return
	}
	r.Missing = append(r.Missing, m)
}

// A check is one run.
type check struct {
	Options
	Result
	days map[athenatrail.Partition]*Day

	// Executions and starts are held by a hash, as the ids of a large lake
	// are too many to hold.
	seed    maphash.Seed
	rows    map[uint64]bool             // ids, and event ids, that have a row
	started map[uint64]athenatrail.Date // ids that the trail has a start of
}

// Check compares. The error is the lake's; what Athena could not be asked is in
// the result.
func Check(ctx context.Context, o Options) (*Result, error) {
	c := &check{
		Options: o, days: map[athenatrail.Partition]*Day{}, seed: maphash.MakeSeed(),
		rows: map[uint64]bool{}, started: map[uint64]athenatrail.Date{},
	}
	c.From = athenatrail.DateOf(o.From).Time()
	c.asked = map[Place]bool{}
	if err := c.table(ctx); err != nil {
		return nil, err
	}
	if err := c.starts(ctx); err != nil {
		return nil, err
	}
	if o.Athena != nil {
		if err := c.athena(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.holes(ctx); err != nil {
		return nil, err
	}
	c.Days = slices.SortedFunc(maps.Values(c.days), func(a, b *Day) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region))
	})
	slices.SortFunc(c.Missing, func(a, b Missing) int {
		return cmp.Or(a.At.Compare(b.At), compare(a.Place, b.Place), strings.Compare(a.ID, b.ID))
	})
	return &c.Result, nil
}

func (c *check) hash(kind, id string) uint64 { return maphash.String(c.seed, kind+id) }

func (c *check) day(p athenatrail.Partition) *Day {
	d := c.days[p]
	if d == nil {
		d = &Day{Partition: p, Gaps: map[string]int64{}}
		c.days[p] = d
	}
	return d
}

// in reports whether a day lies in the window.
func (c *check) in(d athenatrail.Date) bool {
	return d >= athenatrail.DateOf(c.From) && d <= athenatrail.DateOf(c.To.Add(-1))
}

// first is the earliest day that Athena may list, or the window has.
func (c *check) first() athenatrail.Date {
	return min(athenatrail.DateOf(c.From), athenatrail.DateOf(c.Now.Add(-HistoryDays*day))) - 2
}

type tableRow struct {
	ID      string `parquet:"query_execution_id,optional"`
	EventID string `parquet:"event_id,optional"`
	Gap     string `parquet:"gap,optional"`
}

// table reads the rows of the window, and the ids of all days that Athena may
// list.
func (c *check) table(ctx context.Context) error {
	for file, err := range lake.Partitions(ctx, c.Lake, lake.QueryExecutions, c.first(), athenatrail.DateOf(c.Now)+2) {
		if err != nil {
			return err
		}
		for row, err := range lake.ReadAs[tableRow](ctx, c.Lake, lake.QueryExecutions, file.Partition) {
			if err != nil {
				return err
			}
			if row.ID != "" {
				c.rows[c.hash("", row.ID)] = true
			}
			if row.EventID == "" {
				continue // known to Athena alone
			}
			c.rows[c.hash("event ", row.EventID)] = true
			if !c.in(file.Date) {
				continue
			}
			d := c.day(file.Partition)
			d.Rows++
			if row.Gap == "" {
				d.Details++
			} else {
				d.Gaps[row.Gap]++
			}
		}
	}
	return nil
}

type startRow struct {
	ID               string    `parquet:"event_id"`
	QueryExecutionID string    `parquet:"query_execution_id,optional"`
	Time             time.Time `parquet:"event_time,timestamp(millisecond:local)"`
	Name             string    `parquet:"event_name"`
	SharedEventID    string    `parquet:"shared_event_id,optional"`
}

// A start is one call that asked Athena to run a statement, however often the
// trail has it: again under the same id, or as copies in several accounts.
type start struct {
	at    time.Time
	home  athenatrail.Partition
	hasID bool
	row   bool
}

// starts reads the events of the window, independently of the tables.
func (c *check) starts(ctx context.Context) error {
	found := map[uint64]*start{}
	for file, err := range lake.Partitions(ctx, c.Lake, lake.Events, c.first(), athenatrail.DateOf(c.Now)+2) {
		if err != nil {
			return err
		}
		for row, err := range lake.ReadAs[startRow](ctx, c.Lake, lake.Events, file.Partition) {
			if err != nil {
				return err
			}
			if row.Name != derive.StartEvent {
				continue
			}
			key := c.hash("event ", row.ID)
			row.Time = row.Time.UTC()
			switch {
			case row.QueryExecutionID != "":
				key = c.hash("", row.QueryExecutionID)
				c.started[key] = file.Date
			case row.SharedEventID != "":
				key = c.hash("shared ", row.SharedEventID)
			}
			s := found[key]
			if s == nil {
				s = &start{at: row.Time, home: file.Partition, hasID: row.QueryExecutionID != ""}
				found[key] = s
			}
			if row.Time.Before(s.at) || c.rows[c.hash("event ", row.ID)] {
				s.at, s.home = row.Time, file.Partition // where the row lies, if there is one
			}
			s.row = s.row || c.rows[c.hash("event ", row.ID)] || s.hasID && c.rows[key]
		}
	}
	for _, s := range found {
		if !c.in(s.home.Date) {
			continue
		}
		d := c.day(s.home)
		d.Starts++
		if !s.row {
			d.Lost++
		}
	}
	return nil
}

// String is the place as people write it.
func (p Place) String() string { return fmt.Sprintf("%s %s", p.Account, p.Region) }
