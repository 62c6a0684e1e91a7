package rebuild

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/tool"
)

// A start is what is read of the events of the days around.
type start struct {
	Name             string `parquet:"event_name"`
	QueryExecutionID string `parquet:"query_execution_id,optional"`
}

// A call is what is read of the day's own events before they are derived from.
type call struct {
	AccessKeyHash string `parquet:"access_key_hash,optional"`
	SessionID     string `parquet:"session_id,optional"`
}

// A kind is what is read of details to find those of Spark.
type kind struct {
	Kind string `parquet:"kind"`
}

// maxTries bounds how often a day is derived anew because others derived it at
// the same time.
const maxTries = 10

// day derives partitions of one day and writes their tables.
func (b *Builder) day(ctx context.Context, parts ...athenatrail.Partition) error {
	for try := 1; ; try++ {
		err := b.tryDay(ctx, parts)
		if !errors.Is(err, lake.ErrChanged) || try == maxTries {
			return err
		}
	}
}

// tryDay looks at the tables as they are, then reads the facts, then replaces
// the tables, so that rows of older facts never come over rows of newer ones.
func (b *Builder) tryDay(ctx context.Context, parts []athenatrail.Partition) error {
	was, err := lake.StateOf(ctx, b.Lake, parts...)
	if err != nil {
		return err
	}
	days := make([]*lake.Derivation, len(parts))
	open := make([]bool, len(parts))
	for i, p := range parts {
		if days[i], open[i], err = b.derive(ctx, p, was.Boundary); err != nil {
			if len(parts) > 1 {
				err = fmt.Errorf("%s: %w", p.Name(), err)
			}
			return err
		}
		if open[i] {
			// Before the rows, so that no row with an open gap is ever without.
			if err := b.Lake.SetOpen(ctx, p, true); err != nil {
				return err
			}
		}
	}
	if _, err := lake.Replace(ctx, b.Lake, was, days...); err != nil {
		return err
	}
	return b.noteOpen(ctx, parts, open, was.Boundary)
}

// derive derives a partition, and tells whether rows that are kept have an open
// gap.
func (b *Builder) derive(ctx context.Context, p athenatrail.Partition, boundary lake.Boundary) (d *lake.Derivation, open bool, err error) {
	day := derive.NewDay(p, b.Settings)
	if err := b.around(ctx, day, p); err != nil {
		return nil, false, err
	}
	d = lake.NewDerivation(p, b.Settings.Hash())

	// Activity is encoded as the events are read, so that memory does not
	// grow with the day's polls.
	activity := func(yield func(*athenatrail.Activity, error) bool) {
		for e, err := range lake.Read(ctx, b.Lake, lake.Events, p) {
			if err != nil {
				yield(nil, err)
				return
			}
			row, err := day.Event(e)
			if !yield(&row, err) || err != nil {
				return
			}
		}
	}
	if err := lake.Derive(ctx, d, lake.Activity, activity); err != nil {
		return nil, false, err
	}
	executions, usage := day.Tables()
	sessions, calculations := day.Spark()
	b.note(p, day, executions, sessions)
	kept := func(table lake.Dataset) bool { return boundary.Keeps(table.Name(), p.Date) }
	open = kept(lake.QueryExecutions) && slices.ContainsFunc(executions, func(e athenatrail.QueryExecution) bool { return athenatrail.GapIsOpen(e.Gap) }) ||
		kept(lake.Sessions) && slices.ContainsFunc(sessions, func(s athenatrail.Session) bool { return athenatrail.GapIsOpen(s.Gap) }) ||
		kept(lake.Calculations) && slices.ContainsFunc(calculations, func(c athenatrail.Calculation) bool { return athenatrail.GapIsOpen(c.Gap) })
	for _, of := range []func() error{
		func() error {
			return lake.Derive(ctx, d, lake.QueryExecutions, lake.QueryExecutions.Sorted(executions))
		},
		func() error { return lake.Derive(ctx, d, lake.Sessions, lake.Sessions.Sorted(sessions)) },
		func() error { return lake.Derive(ctx, d, lake.Calculations, lake.Calculations.Sorted(calculations)) },
		func() error { return lake.Derive(ctx, d, lake.UsageRollup, lake.UsageRollup.Sorted(usage.Rollup)) },
		func() error { return lake.Derive(ctx, d, lake.TableRollup, lake.TableRollup.Sorted(usage.Tables)) },
	} {
		if err := of(); err != nil {
			return nil, false, err
		}
	}
	return d, open, nil
}

// noteOpen notes, once the rows are written, which partitions have open gaps.
// Another process may derive the same day meanwhile, so the note that there are
// some is made again in case it was taken away, and whoever takes it away looks
// at the rows once more.
func (b *Builder) noteOpen(ctx context.Context, parts []athenatrail.Partition, open []bool, boundary lake.Boundary) error {
	none := map[athenatrail.Partition]bool{}
	for i, p := range parts {
		if err := b.Lake.SetOpen(ctx, p, open[i]); err != nil {
			return err
		}
		none[p] = !open[i]
	}
	type row struct {
		Gap string `parquet:"gap,optional"`
	}
	look := func(p athenatrail.Partition, q *row) error {
		if !none[p] || !athenatrail.GapIsOpen(q.Gap) {
			return nil
		}
		none[p] = false
		return b.Lake.SetOpen(ctx, p, true)
	}
	for _, table := range []lake.Dataset{lake.QueryExecutions, lake.Sessions, lake.Calculations} {
		if boundary.IsClosed(parts[0].Date) {
			if err := lake.Scan(ctx, b.Lake, table, parts[0].Date, parts[0].Date+1, look); err != nil {
				return err
			}
			continue
		}
		for _, p := range parts {
			if !none[p] {
				continue
			}
			for q, err := range lake.ReadAs[row](ctx, b.Lake, table, p) {
				if err == nil {
					err = look(p, q)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// around tells day what the days and the accounts around it hold.
func (b *Builder) around(ctx context.Context, day *derive.Day, p athenatrail.Partition) error {
	if err := b.elsewhere(ctx, day, p); err != nil {
		return err
	}
	if err := b.callers(ctx, day, p); err != nil {
		return err
	}
	if err := b.access(ctx, day, p); err != nil {
		return err
	}
	for d := p.Date - 1; d <= p.Date+1; d++ {
		near := p.On(d)
		if d != p.Date {
			for e, err := range lake.ReadAs[start](ctx, b.Lake, lake.Events, near) {
				if err != nil {
					return err
				}
				if e.Name == derive.StartEvent && e.QueryExecutionID != "" {
					day.StartedOn(e.QueryExecutionID, d)
				}
			}
		}
		for det, err := range lake.Read(ctx, b.Lake, lake.Details, near) {
			if err != nil {
				return err
			}
			day.Detail(det)
		}
		for t, err := range lake.Read(ctx, b.Lake, lake.QueryTexts, near) {
			if err != nil {
				return err
			}
			day.Text(t)
		}
	}
	return nil
}

// access tells day which tables Lake Formation gave queries access to. It logs
// that in the account of the tables, a moment after the start.
func (b *Builder) access(ctx context.Context, day *derive.Day, p athenatrail.Partition) error {
	for file, err := range lake.Partitions(ctx, b.Lake, lake.DataAccess, p.Date, p.Date+2) {
		if err != nil {
			return err
		}
		if file.Region != p.Region {
			continue
		}
		for a, err := range lake.Read(ctx, b.Lake, lake.DataAccess, file.Partition) {
			if err != nil {
				return err
			}
			day.Access(a)
		}
	}
	return nil
}

// callers tells day what explains the day's callers: the sessions of Spark
// from within which they may have called, and the issues of the credentials
// with which they did, or with which those sessions were started.
func (b *Builder) callers(ctx context.Context, day *derive.Day, p athenatrail.Partition) error {
	spark := false // whether there may be anything of Spark
	keys := map[athenatrail.Date]map[keyID]bool{}
	add := func(d athenatrail.Date, hash string) {
		if key, ok := keyOf(hash); ok {
			if keys[d] == nil {
				keys[d] = map[keyID]bool{}
			}
			keys[d][key] = true
		}
	}
	for e, err := range lake.ReadAs[call](ctx, b.Lake, lake.Events, p) {
		if err != nil {
			return err
		}
		add(p.Date, e.AccessKeyHash)
		spark = spark || e.SessionID != ""
	}
	for d := p.Date - derive.SessionDays; d <= p.Date+derive.SessionDays; d++ {
		for e, err := range lake.Read(ctx, b.Lake, lake.SessionEvents, p.On(d)) {
			if err != nil {
				return err
			}
			spark = true
			hash, err := day.Session(e)
			if err != nil {
				return err
			}
			add(d, hash)
		}
	}
	for _, d := range slices.Sorted(maps.Keys(keys)) {
		issued, err := b.evidence().issues.behind(ctx, d, keys[d])
		if err != nil {
			return err
		}
		for _, s := range issued {
			day.Issued(s)
		}
	}
	references, err := b.evidence().references.on(ctx, p)
	if err != nil {
		return err
	}
	for i := range references {
		day.Reference(&references[i])
	}
	return b.sparkDetails(ctx, day, p, spark)
}

// sparkDetails tells day what Athena said of sessions and calculations. Few
// accounts have any, so the days around are read only if others are there.
func (b *Builder) sparkDetails(ctx context.Context, day *derive.Day, p athenatrail.Partition, some bool) error {
	from, to := p.Date, p.Date
	if some {
		from, to = p.Date-derive.SessionDays, p.Date+derive.SessionDays
	}
	for d := from; d <= to; d++ {
		found := false
		for k, err := range lake.ReadAs[kind](ctx, b.Lake, lake.Details, p.On(d)) {
			if err != nil {
				return err
			}
			if k.Kind != athenatrail.KindQueryExecution {
				found = true
				break
			}
		}
		if !found {
			continue
		}
		if !some {
			return b.sparkDetails(ctx, day, p, true)
		}
		for det, err := range lake.Read(ctx, b.Lake, lake.Details, p.On(d)) {
			if err != nil {
				return err
			}
			day.SparkDetail(det)
		}
	}
	return nil
}

// Explain returns how the event of a partition's day was resolved: the rungs
// of the ladder that were tried, with their evidence, and by what the tool is
// known. It returns the event too, and [ErrNoEvent] if the day lacks it.
func (b *Builder) Explain(ctx context.Context, p athenatrail.Partition, is func(*athenatrail.Event) bool) (*athenatrail.Event, []identity.Step, tool.Tool, error) {
	for e, err := range lake.Read(ctx, b.Lake, lake.Events, p) {
		if err != nil {
			return nil, nil, tool.Tool{}, err
		}
		if !is(e) {
			continue
		}
		day := derive.NewDay(p, b.Settings)
		if err := b.around(ctx, day, p); err != nil {
			return nil, nil, tool.Tool{}, err
		}
		steps, with, err := day.Explain(e)
		return e, steps, with, err
	}
	return nil, nil, tool.Tool{}, ErrNoEvent
}

// ErrNoEvent is returned when a day does not hold an event.
var ErrNoEvent = errors.New("the lake does not hold the event")
