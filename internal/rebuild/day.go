package rebuild

import (
	"context"
	"errors"
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

// day derives one partition and writes its tables.
func (b *Builder) day(ctx context.Context, p athenatrail.Partition) error {
	for try := 1; ; try++ {
		err := b.tryDay(ctx, p)
		if !errors.Is(err, lake.ErrChanged) || try == maxTries {
			return err
		}
	}
}

// tryDay looks at the tables as they are, then reads the facts, then replaces
// the tables, so that rows of older facts never come over rows of newer ones.
func (b *Builder) tryDay(ctx context.Context, p athenatrail.Partition) error {
	were, err := b.states(ctx, p)
	if err != nil {
		return err
	}
	day := derive.NewDay(p, b.Settings)
	if err := b.around(ctx, day, p); err != nil {
		return err
	}
	hash := b.Settings.Hash()

	// Activity is written as the events are read, so that memory does not
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
	if _, err := lake.ReplaceTable(ctx, b.Lake, lake.Activity, p, were.activity, activity, hash); err != nil {
		return err
	}
	executions, usage := day.Tables()
	sessions, calculations := day.Spark()
	b.note(p, day, executions, sessions)
	open := slices.ContainsFunc(executions, func(e athenatrail.QueryExecution) bool { return athenatrail.GapIsOpen(e.Gap) }) ||
		slices.ContainsFunc(sessions, func(s athenatrail.Session) bool { return athenatrail.GapIsOpen(s.Gap) }) ||
		slices.ContainsFunc(calculations, func(c athenatrail.Calculation) bool { return athenatrail.GapIsOpen(c.Gap) })
	if open {
		// Before the rows, so that no row with an open gap is ever without.
		if err := b.Lake.SetOpen(ctx, p, true); err != nil {
			return err
		}
	}
	if _, err := lake.ReplaceTable(ctx, b.Lake, lake.QueryExecutions, p, were.executions, lake.QueryExecutions.Sorted(executions), hash); err != nil {
		return err
	}
	if _, err := lake.ReplaceTable(ctx, b.Lake, lake.Sessions, p, were.sessions, lake.Sessions.Sorted(sessions), hash); err != nil {
		return err
	}
	if _, err := lake.ReplaceTable(ctx, b.Lake, lake.Calculations, p, were.calculations, lake.Calculations.Sorted(calculations), hash); err != nil {
		return err
	}
	if _, err := lake.ReplaceTable(ctx, b.Lake, lake.UsageRollup, p, were.usage, lake.UsageRollup.Sorted(usage.Rollup), hash); err != nil {
		return err
	}
	if _, err := lake.ReplaceTable(ctx, b.Lake, lake.TableRollup, p, were.tableUsage, lake.TableRollup.Sorted(usage.Tables), hash); err != nil {
		return err
	}
	return b.noteOpen(ctx, p, open)
}

// tableStates are a day's tables as they were.
type tableStates struct{ executions, activity, sessions, calculations, usage, tableUsage lake.TableState }

func (b *Builder) states(ctx context.Context, p athenatrail.Partition) (were tableStates, err error) {
	for _, of := range []func() error{
		func() error { were.executions, err = lake.StateOf(ctx, b.Lake, lake.QueryExecutions, p); return err },
		func() error { were.activity, err = lake.StateOf(ctx, b.Lake, lake.Activity, p); return err },
		func() error { were.sessions, err = lake.StateOf(ctx, b.Lake, lake.Sessions, p); return err },
		func() error { were.calculations, err = lake.StateOf(ctx, b.Lake, lake.Calculations, p); return err },
		func() error { were.usage, err = lake.StateOf(ctx, b.Lake, lake.UsageRollup, p); return err },
		func() error { were.tableUsage, err = lake.StateOf(ctx, b.Lake, lake.TableRollup, p); return err },
	} {
		if err := of(); err != nil {
			return were, err
		}
	}
	return were, nil
}

// noteOpen notes, once the rows are written, whether gaps are open. Another
// process may derive the same day meanwhile, so the note that there are some
// is made again in case it was taken away, and whoever takes it away looks at
// the rows once more.
func (b *Builder) noteOpen(ctx context.Context, p athenatrail.Partition, open bool) error {
	if open {
		return b.Lake.SetOpen(ctx, p, true)
	}
	if err := b.Lake.SetOpen(ctx, p, false); err != nil {
		return err
	}
	type row struct {
		Gap string `parquet:"gap,optional"`
	}
	for _, table := range []lake.Dataset{lake.QueryExecutions, lake.Sessions, lake.Calculations} {
		for q, err := range lake.ReadAs[row](ctx, b.Lake, table, p) {
			if err != nil {
				return err
			}
			if athenatrail.GapIsOpen(q.Gap) {
				return b.Lake.SetOpen(ctx, p, true)
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
